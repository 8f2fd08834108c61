"""Versions behave like rows of a database."""

import threading

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ttt_ros.adaptation.versions import Version, VersionStore
from ttt_ros.errors import AdaptationError

BASE = {"mlp.up": torch.ones(2, 2)}


def store(size: int = 4) -> VersionStore:
    return VersionStore(BASE, modules=("mlp",), size=size)


def version(number: int) -> Version:
    weights = {"mlp.up": torch.full((2, 2), float(number))}
    momentum = {"mlp.up": torch.full((2, 2), -float(number))}
    return Version(
        number=number,
        weights=weights,
        momentum=momentum,
        precision={},
        checksum=str(number),
        drift_total=0.0,
        drift_per_module={"mlp": 0.0},
    )


def test_a_commit_comes_into_force():
    versions = store()
    assert versions.commit(version(1), 0)
    assert versions.current.number == 1
    assert versions.next_number == 2


def test_nothing_begun_before_a_withdrawal_lands_after_it():
    for withdraw in (VersionStore.reset, VersionStore.rollback, lambda versions: versions.restore(1)):
        versions = store()
        epoch = versions.epoch
        withdraw(versions)
        assert not versions.commit(version(1), epoch)
        assert versions.current is versions.base


def test_a_rollback_returns_the_very_tensors_of_the_version_before():
    versions = store()
    first = version(1)
    versions.commit(first, 0)
    versions.commit(version(2), 0)
    assert versions.rollback() is first
    assert versions.current.weights is first.weights
    assert versions.current.momentum is first.momentum


def test_rollbacks_past_the_ring_end_at_the_base():
    versions = store(size=2)
    for number in (1, 2, 3):
        versions.commit(version(number), 0)
    assert [versions.rollback().number for _ in range(4)] == [2, 0, 0, 0]


def test_restore_goes_to_the_newest_version_not_above_the_number():
    versions = store()
    for number in (1, 2, 4):
        versions.commit(version(number), 0)
    assert versions.restore(4).number == 4
    assert versions.restore(3).number == 2
    assert versions.restore(0) is versions.base


def test_reset_returns_to_the_base_and_forgets_the_rest():
    versions = store()
    versions.commit(version(1), 0)
    assert versions.reset() is versions.base
    assert versions.epoch == 1
    assert versions.restore(99) is versions.base


def test_a_number_given_before_is_refused_even_after_a_rollback():
    versions = store()
    versions.commit(version(1), 0)
    versions.rollback()
    with pytest.raises(AdaptationError, match="version 1 was given before"):
        versions.commit(version(1), versions.epoch)
    assert versions.next_number == 2


@settings(deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(["commit", "stale", "rollback", "restore", "reset"]), max_size=30))
def test_numbers_never_repeat_and_the_current_version_is_known(actions):
    versions = store(size=3)
    seen = [0]
    for action in actions:
        if action == "commit":
            assert versions.commit(version(versions.next_number), versions.epoch)
            assert versions.current.number > max(seen)
            seen.append(versions.current.number)
        elif action == "stale":
            assert not versions.commit(version(versions.next_number), versions.epoch - 1)
        elif action == "restore":
            assert versions.restore(versions.current.number - 1).number <= max(0, versions.current.number)
        else:
            getattr(versions, action)()
        assert versions.current.number in seen


def test_commits_and_resets_of_two_threads_leave_a_version_of_the_last_epoch():
    versions = store()
    begin = threading.Barrier(2)
    landed = []

    def commit() -> None:
        begin.wait()
        for _ in range(300):
            epoch = versions.epoch
            landed.append((epoch, versions.commit(version(versions.next_number), epoch)))

    def reset() -> None:
        begin.wait()
        for _ in range(300):
            versions.reset()

    threads = [threading.Thread(target=commit), threading.Thread(target=reset)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    landed_last = any(success for epoch, success in landed if epoch == versions.epoch)
    assert (versions.current is not versions.base) == landed_last


def test_a_policy_without_fast_weights_is_refused():
    with pytest.raises(AdaptationError, match="0 fast parameters"):
        VersionStore({}, modules=("mlp",), size=4)
