"""Ways to spoil what was sound; every choice is drawn from a ``Random``, so that a case is known by its seed and can be shrunk."""

import copy
from random import Random
from typing import Any

_NUMBERS = (0, 1, -1, 7, 127, 128, 255, 256, 65_535, 2**31 - 1, -(2**31), 2**32 - 1, 2**53, 2**63 - 1, 2**63, 2**64, 10**400)
_FLOATS = (0.0, -0.0, 0.5, -1.0, 1e-300, 1e300, 3.5e38, float("nan"), float("inf"), float("-inf"))
_TEXTS = ("", " ", "x", "0", "-1", "NaN", "Infinity", "\x00", "é", "\ud83d\ude00", "../../etc/passwd", "{}", "%s%n", "x" * 300, "y" * 5000)
_YAML = (
    "~", "[]", "{}", "[", "{", "- ", ": ", "&a ", "*a", "!!float ''", "!!int x", "!!binary x", "!!python/none x", "!!set {a}", "<<: *a",
    "1e999", ".nan", "-.inf", "0x", "0b2", "1_0", "1:60", "2001-99-99", "on", "'", '"', "|", ">", "?", "\t", "%YAML 9.9", "---", "...",
    "99999999999999999999", "1e3", "null", "true", "\ufeff", "#",
)  # fmt: skip


def number(random: Random) -> int:
    """Any integer, most often one at an edge."""
    return random.choice(_NUMBERS) if random.random() < 0.7 else random.randrange(-1000, 1000)


def real(random: Random) -> float:
    """Any float, often one that is not finite."""
    return random.choice(_FLOATS) if random.random() < 0.4 else random.uniform(-4.0, 4.0)


def text(random: Random) -> str:
    """Any text."""
    return random.choice(_TEXTS) if random.random() < 0.7 else "".join(chr(random.randrange(1, 400)) for _ in range(random.randrange(12)))


def mutated(random: Random, data: bytes, *, most: int = 6) -> bytes:
    """``data`` with some of its bytes changed, moved, lost or multiplied."""
    spoiled = bytearray(data)
    for _ in range(random.randrange(most + 1)):
        at = random.randrange(len(spoiled) + 1)
        end = min(len(spoiled), at + random.choice((1, 1, 2, 4, 8, 16, 200)))
        change = random.randrange(6)
        if change == 0 and at < len(spoiled):
            spoiled[at] ^= 1 << random.randrange(8)
        elif change == 1 and at < len(spoiled):
            spoiled[at] = random.choice((0, 1, 127, 128, 255))
        elif change == 2:
            size = random.choice((2, 4, 8))
            edge = random.choice(_NUMBERS[:-1]) % (1 << 8 * size)
            spoiled[at : at + size] = edge.to_bytes(size, random.choice(("little", "big")))
        elif change == 3:
            del spoiled[at:end]
        elif change == 4:
            spoiled[at:at] = spoiled[at:end]
        elif change == 5 and random.random() < 0.3:
            del spoiled[at:]
    return bytes(spoiled)


def mutated_json(random: Random, value: Any, *, most: int = 3) -> Any:
    """Plain values of which some, anywhere within, are replaced, lost or multiplied."""
    spoiled = copy.deepcopy(value)
    for _ in range(random.randrange(most + 1)):
        _spoil(random, spoiled)
    return spoiled


def mutated_yaml(random: Random, content: str, *, most: int = 4) -> bytes:
    """Text of which some lines are changed in ways that mean something to YAML."""
    lines = content.splitlines()
    for _ in range(random.randrange(most + 1)):
        at = random.randrange(len(lines)) if lines else 0
        change = random.randrange(6)
        if not lines or change == 0:
            lines.insert(at, random.choice(_YAML))
        elif change == 1:
            key, colon, _ = lines[at].partition(":")
            lines[at] = f"{key}{colon} {random.choice((*_YAML, *_TEXTS, str(number(random)), str(real(random))))}"
        elif change == 2:
            del lines[at]
        elif change == 3:
            lines.insert(at, lines[random.randrange(len(lines))])
        elif change == 4:
            lines[at] = random.choice(("  ", "    ", "- ")) + lines[at]
        else:
            lines[at] = lines[at].lstrip() + random.choice(("", " &a", " *a", "]", "}"))
    spoiled = "\n".join(lines).encode("utf-8", errors="surrogatepass")
    return mutated(random, spoiled, most=3) if random.random() < 0.3 else spoiled


def _spoil(random: Random, value: Any) -> None:
    """Goes down to any place in a container and changes it there."""
    while True:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        if not keys:
            return
        key = random.choice(keys)
        if not isinstance(value[key], dict | list) or random.random() < 0.2:
            break
        value = value[key]
    if random.random() < 0.2:
        del value[key]
    elif isinstance(value, list) and random.random() < 0.2:
        value.extend([value[key]] * random.randrange(4))
    else:
        value[key] = _anything(random)


def _anything(random: Random) -> Any:
    kind = random.randrange(7)
    if kind < 4:
        return (number(random), real(random), text(random), random.choice((None, True, False)))[kind]
    if kind == 6:
        deep: Any = []
        for _ in range(random.choice((3, 300))):
            deep = [deep]
        return deep
    return [number(random)] * random.randrange(4) if kind == 4 else {text(random): number(random)}
