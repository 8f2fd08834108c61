"""Counting refusals of one kind together."""


def kind_of(reason: str) -> str:
    """The reason without its figures, so that refusals of one kind are counted together."""
    return " ".join(word for word in reason.split() if not any(character.isdigit() for character in word))
