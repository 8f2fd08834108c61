"""The words that a policy can read."""

from collections.abc import Iterable
from dataclasses import dataclass

from ttt_ros.errors import InstructionError

PADDING = 0
"""Index of the token that fills an instruction up to its fixed length; the words are numbered from 1."""

MAX_CHARACTERS = 1000
"""Of an instruction; more would be split and repeated in error messages for nothing, as no policy reads that many words."""

_PUNCTUATION = ".,;:!?"


@dataclass(frozen=True)
class Vocabulary:
    """A closed list of lower-case words, stored in the checkpoint beside the embeddings that belong to it."""

    words: tuple[str, ...]

    @classmethod
    def of(cls, instructions: Iterable[str]) -> "Vocabulary":
        """The sorted words of all ``instructions``."""
        return cls(tuple(sorted({word for instruction in instructions for word in _split(instruction)})))

    def __len__(self) -> int:
        """Number of indices, padding included."""
        return len(self.words) + 1

    def encode(self, instruction: str, *, length: int) -> list[int]:
        """Turns ``instruction`` into ``length`` word indices, padded at the end; case and punctuation do not matter.

        Raises:
            InstructionError: the instruction is empty or too long, has more than ``length`` words, or holds unknown words.
        """
        check_length(instruction)
        words = _split(instruction)
        if not words:
            raise InstructionError(f"the instruction {instruction!r} holds no word; say what to do, for example with: {self._known()}")
        if len(words) > length:
            raise InstructionError(f"the instruction {instruction!r} has {len(words)} words, the policy reads at most {length}; shorten it")
        unknown = [word for word in words if word not in self.words]
        if unknown:
            raise InstructionError(
                f"the instruction {instruction!r} holds words that the policy was not trained on: {', '.join(unknown)}; "
                f"it knows: {self._known()}"
            )
        return [self.words.index(word) + 1 for word in words] + [PADDING] * (length - len(words))

    def _known(self) -> str:
        return ", ".join(self.words)


def check_length(instruction: str) -> None:
    """Checks that an instruction is not too long to be looked at.

    Raises:
        InstructionError: it has more than ``MAX_CHARACTERS`` characters.
    """
    if len(instruction) > MAX_CHARACTERS:
        raise InstructionError(
            f"the instruction {instruction[:20]!r}... has {len(instruction)} characters, at most {MAX_CHARACTERS} are read; shorten it"
        )


def _split(instruction: str) -> list[str]:
    return [word for word in (part.strip(_PUNCTUATION) for part in instruction.lower().split()) if word]
