"""Goals in words, one after the other."""

import random
from collections.abc import Iterator, Sequence


def goal_sequence(instructions: Sequence[str], *, seed: int) -> Iterator[str]:
    """An endless sequence of goals, never the same twice in a row."""
    generator = random.Random(seed)
    last = ""
    while True:
        last = generator.choice([each for each in instructions if each != last])
        yield last
