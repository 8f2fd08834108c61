"""Which version a rollback leads to."""

from hypothesis import given
from hypothesis import strategies as st

from ttt_ros.safeguard.trust import TrustedVersions


def test_the_base_is_trusted_before_anything_was_committed() -> None:
    assert TrustedVersions().newest == 0


def test_a_version_is_trusted_once_it_was_committed_cleanly() -> None:
    trusted = TrustedVersions()
    trusted.reported(1, committed=True, clean=True)
    assert trusted.newest == 1


def test_a_version_whose_window_violated_a_rule_is_not_trusted_later() -> None:
    trusted = TrustedVersions()
    trusted.reported(1, committed=True, clean=True)
    trusted.reported(2, committed=True, clean=False)
    trusted.reported(2, committed=False, clean=True)
    assert trusted.newest == 1


def test_a_bad_window_that_committed_nothing_does_not_cost_a_version_its_trust() -> None:
    trusted = TrustedVersions()
    trusted.reported(1, committed=True, clean=True)
    trusted.reported(1, committed=False, clean=False)
    assert trusted.newest == 1


def test_a_restored_version_ends_the_trust_in_all_that_came_after_it() -> None:
    trusted = TrustedVersions()
    for version in (1, 2, 3):
        trusted.reported(version, committed=True, clean=True)
    trusted.reported(2, committed=False, clean=True)
    assert trusted.newest == 2
    trusted.reported(0, committed=False, clean=True)
    assert trusted.newest == 0


def test_a_number_that_is_used_again_after_a_restore_is_judged_anew() -> None:
    trusted = TrustedVersions()
    for version in (1, 2, 3):
        trusted.reported(version, committed=True, clean=True)
    trusted.reported(2, committed=True, clean=False)
    assert trusted.newest == 1


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans(), st.booleans()), max_size=40))
def test_the_trusted_version_never_lies_above_the_one_in_force(reports: list[tuple[int, bool, bool]]) -> None:
    trusted = TrustedVersions()
    for version, committed, clean in reports:
        trusted.reported(version, committed=committed, clean=clean)
        assert trusted.newest <= version
