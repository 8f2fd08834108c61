"""What the source must not hold anywhere, because what it reads could then run."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted(path for folder in ("ttt_ros", "scripts", "launch", "tools") for path in (ROOT / folder).rglob("*") if path.is_file())


@pytest.mark.parametrize(
    "construct",
    [
        r"\b(c?pickle|cloudpickle|dill|joblib|shelve|marshal)\b",
        r"\btorch\.(load|hub|jit\.load)\b",
        r"\byaml\.((full|unsafe)_)?load(_all)?\(",
        r"\byaml\.(Unsafe|Full)?Loader\b",
        r"allow_pickle\s*=\s*True",
        r"(?<![\w.])(eval|exec|compile|__import__)\(",
        r"\bos\.(system|popen)\(",
        r"shell\s*=\s*True",
    ],
)
def test_nothing_is_unpickled_or_evaluated(construct: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in SOURCES
        if path.suffix in (".py", "") and "__pycache__" not in path.parts
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1)
        if re.search(construct, line)
    ]
    assert not found
