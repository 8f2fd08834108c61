"""Whatever is spoiled in what the package reads: it works, or refuses in words, and never in any other way or without end.

``tools/fuzz.py`` runs the same targets for as long as one likes.
"""

from pathlib import Path
from random import Random

import pytest
from fuzz_targets import Targets, refusal_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

NAMES = tuple(Targets(Path()).by_name)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.timeout(60)
def test_spoiled_input_works_or_is_refused_in_words(name: str, tmp_path: Path) -> None:
    target = Targets(tmp_path).by_name[name]

    @settings(max_examples=100, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(random=st.integers(0, 2**32).map(Random))
    def check(random: Random) -> None:
        refusal = refusal_of(target, random)
        assert refusal is None or len(refusal) > 10

    check()
