"""Reading instructions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttt_ros.errors import InstructionError
from ttt_ros.policies.vocabulary import PADDING, Vocabulary

VOCABULARY = Vocabulary.of(["touch the red cube", "push the blue cube to the mark"])


def test_a_vocabulary_holds_each_word_once_in_a_fixed_order() -> None:
    assert VOCABULARY.words == ("blue", "cube", "mark", "push", "red", "the", "to", "touch")
    assert len(VOCABULARY) == 9


@given(st.lists(st.sampled_from(VOCABULARY.words), min_size=1, max_size=8))
def test_encoding_keeps_the_order_of_the_words_and_pads_to_the_length(words: list[str]) -> None:
    encoded = VOCABULARY.encode(" ".join(words), length=8)
    assert len(encoded) == 8
    assert [VOCABULARY.words[index - 1] for index in encoded[: len(words)]] == words
    assert set(encoded[len(words) :]) <= {PADDING}


def test_case_spacing_and_punctuation_do_not_matter() -> None:
    assert VOCABULARY.encode("  Touch the RED cube. ", length=5) == VOCABULARY.encode("touch the red cube", length=5)


def test_unknown_words_are_refused_by_name_with_the_known_ones() -> None:
    with pytest.raises(InstructionError, match=r"not trained on: green, banana; it knows: blue, cube"):
        VOCABULARY.encode("touch the green banana", length=8)


def test_too_many_words_are_refused_with_the_limit() -> None:
    with pytest.raises(InstructionError, match="has 4 words, the policy reads at most 3"):
        VOCABULARY.encode("touch the red cube", length=3)


@pytest.mark.parametrize("instruction", ["", "   ", "..."])
def test_an_instruction_without_words_is_refused(instruction: str) -> None:
    with pytest.raises(InstructionError, match="holds no word"):
        VOCABULARY.encode(instruction, length=3)
