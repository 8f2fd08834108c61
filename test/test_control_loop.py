"""The control loop: what is commanded in which mode, and what reaches the adaptation."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from control_session import PERIOD, Bench
from small_policy import HORIZON

from ttt_ros.control.loop import Outcome
from ttt_ros.safeguard.ladder import Mode


def test_chunks_follow_one_another_and_each_executed_chunk_gives_one_window() -> None:
    bench = Bench()
    commands = bench.run(60)
    assert all(command.mode == Mode.ADAPTING for command in commands)
    assert all(command.positions is not None and np.isfinite(command.positions).all() for command in commands[2:])
    executed = len(bench.chunks) - 1
    minimum = bench.session.learner.config.minimum_samples
    assert executed > 20
    assert len(bench.reports) == executed - (minimum - 1)


def test_a_chunk_says_which_observation_and_which_weights_it_comes_from() -> None:
    bench = Bench()
    bench.run(60)
    stamps = {PERIOD * tick for tick in range(1, 61)}
    assert {chunk.stamp for chunk in bench.chunks} <= stamps
    committed = {report.version: report.checksum for report in bench.reports if report.committed}
    adapted = [chunk for chunk in bench.chunks if chunk.version > 0]
    assert adapted
    assert all(chunk.checksum == committed[chunk.version] for chunk in adapted)


def test_two_runs_on_the_same_input_give_the_same_chunks_and_weights() -> None:
    first, second = Bench(), Bench()
    first.run(60)
    second.run(60)
    assert [report.checksum for report in first.reports] == [report.checksum for report in second.reports]
    assert all(np.array_equal(a.positions, b.positions) for a, b in zip(first.chunks, second.chunks, strict=True))


def test_without_an_observation_nothing_is_commanded_and_the_reason_is_named() -> None:
    bench = Bench()
    bench.order(Mode.ADAPTING)
    command = bench.tick()
    assert (command.mode, command.positions) == (Mode.HOLD, None)
    assert "front" in command.reasons[0]


def test_a_stale_camera_keeps_the_last_position_and_never_zeros() -> None:
    bench = Bench()
    last = bench.run(10)[-1].positions
    assert last is not None
    for _ in range(8):
        bench.session.assembler.add_joints(bench.now, ("shoulder", "elbow", "wrist"), [0.0, 0.0, 0.0])
        bench.order(Mode.ADAPTING)
        command = bench.tick()
    assert command.mode == Mode.HOLD
    assert "front: newest message is old" in command.reasons[0]
    assert command.positions is not None
    held = [bench.tick().positions for _ in range(3)]
    assert all(np.array_equal(position, command.positions) for position in held if position is not None)


def test_the_loop_goes_on_when_the_camera_is_back() -> None:
    bench = Bench()
    bench.run(10)
    bench.now += 20 * PERIOD
    assert bench.tick().mode == Mode.HOLD
    chunks = len(bench.chunks)
    assert bench.run(10)[-1].mode == Mode.ADAPTING
    assert len(bench.chunks) > chunks


def test_no_transition_reaches_across_a_hold() -> None:
    bench = Bench()
    bench.run(30)
    windows = len(bench.reports)
    bench.now += 20 * PERIOD
    bench.tick()
    before = len(bench.chunks)
    bench.run(30)
    executed_after = len(bench.chunks) - before - 1
    assert len(bench.reports) - windows <= executed_after


def test_base_acts_with_version_0_and_takes_all_versions_back() -> None:
    bench = Bench()
    bench.run(60)
    assert bench.session.store.current.number > 0
    bench.chunks.clear()
    bench.run(20, Mode.BASE)
    assert bench.session.store.current.number == 0
    assert {chunk.version for chunk in bench.chunks} == {0}


def test_frozen_returns_to_the_trusted_version_and_commits_nothing() -> None:
    bench = Bench()
    bench.run(60)
    newest = bench.session.store.current.number
    bench.chunks.clear()
    bench.reports.clear()
    for _ in range(20):
        bench.sense()
        bench.order(Mode.FROZEN, trusted=newest - 2)
        bench.tick()
    assert bench.session.store.current.number == newest - 2
    assert {chunk.version for chunk in bench.chunks} == {newest - 2}
    assert bench.reports
    assert not any(report.committed for report in bench.reports)


def test_a_silent_safeguard_leads_to_base_with_the_reason() -> None:
    bench = Bench()
    bench.run(30)
    bench.now += 20 * PERIOD
    bench.sense()
    command = bench.tick()
    assert command.mode == Mode.BASE
    assert "silent" in command.reasons[0]


def test_a_silence_keeps_what_was_learned_and_a_word_of_the_safeguard_that_was_late_goes_on_with_it() -> None:
    bench = Bench()
    bench.run(30)
    learned = bench.session.store.current
    assert learned.number > 0
    bench.now += 2_000_000_000
    for _ in range(20):
        bench.sense()
        assert bench.tick().mode == Mode.BASE
    assert bench.session.store.current is learned
    assert bench.chunks[-1].version == 0
    bench.run(1)
    assert bench.session.store.current is learned


@pytest.mark.parametrize(("mode", "number"), [(Mode.BASE, 0), (Mode.FROZEN, 2)])
def test_after_a_silence_a_safeguard_that_trusts_less_takes_back_what_it_does_not_trust(mode: Mode, number: int) -> None:
    bench = Bench()
    bench.run(30)
    bench.now += 2_000_000_000
    bench.sense()
    bench.tick()
    bench.sense()
    bench.order(mode, trusted=2)
    bench.tick()
    assert bench.session.store.current.number == number


@pytest.mark.parametrize("mode", [Mode.FROZEN, Mode.BASE, Mode.HOLD, Mode.STOP])
def test_a_step_begun_under_a_permit_cannot_be_committed_after_a_worse_mode_was_ordered(mode: Mode) -> None:
    bench = Bench()
    bench.run(30)
    store = bench.session.store
    epoch, begun = store.epoch, replace(store.current, number=store.next_number)
    bench.sense()
    bench.order(mode)
    bench.tick()
    assert not store.commit(begun, epoch)


def test_a_silence_voids_the_step_under_way() -> None:
    bench = Bench()
    bench.run(30)
    store = bench.session.store
    epoch, begun = store.epoch, replace(store.current, number=store.next_number)
    bench.now += 2_000_000_000
    bench.sense()
    bench.tick()
    assert not store.commit(begun, epoch)


def test_hold_keeps_the_position_and_stop_commands_nothing() -> None:
    bench = Bench()
    last = bench.run(10)[-1].positions
    held = bench.run(3, Mode.HOLD)
    assert last is not None
    assert all(np.array_equal(command.positions, last) for command in held if command.positions is not None)
    assert all(command.positions is not None for command in held)
    assert all(command.positions is None for command in bench.run(3, Mode.STOP))


def test_a_new_instruction_is_answered_by_the_next_chunk_without_waiting() -> None:
    bench = Bench()
    bench.run(9)
    chunks = len(bench.chunks)
    bench.session.assembler.set_instruction("push")
    asked = bench.now
    bench.run(2)
    assert [chunk.stamp for chunk in bench.chunks[chunks:]] == [asked]  # none that answers the old instruction


def test_a_transition_holds_exactly_what_was_commanded_between_its_observations() -> None:
    bench = Bench()
    outcomes: list[Outcome] = []
    bench.session.loop._on_outcome = outcomes.append
    commanded = {}
    for tick in range(90):
        if tick % 13 == 12:
            bench.session.assembler.set_instruction(f"reach {tick}")
        now = bench.now
        (command,) = bench.run(1)
        commanded[now] = command.positions
    assert len(outcomes) > 20
    assert all(earlier.after is later.before for earlier, later in pairwise(outcomes))  # not even a new instruction loses one
    for outcome in outcomes:
        ticks = range(outcome.before.stamp, outcome.after.stamp, PERIOD)
        between = [commanded[stamp] for stamp in ticks if commanded[stamp] is not None]
        steps = int(outcome.transition.steps)
        executed = outcome.transition.executed[0].numpy()
        assert steps == len(between)
        assert np.array_equal(executed[:steps], np.array(between, dtype=np.float32))
        assert np.array_equal(executed[steps:], np.repeat(executed[steps - 1 : steps], HORIZON - steps, axis=0))


def test_consecutive_commands_never_jump_further_than_the_seam_rule_allows() -> None:
    bench = Bench()
    positions = [command.positions for command in bench.run(60) if command.positions is not None]
    jumps = [np.abs(b - a).max() for a, b in pairwise(positions)]
    within = max(np.abs(np.diff(chunk.positions, axis=0)).max() for chunk in bench.chunks)
    apart = max(np.abs(b.positions[:, None] - a.positions[None]).max() for a, b in pairwise(bench.chunks))
    assert max(jumps) <= within + apart / 2 + 1e-9


@pytest.mark.parametrize("withdraw", ["reset", "rollback"])
def test_after_a_reset_or_rollback_no_chunk_of_the_withdrawn_weights_is_scheduled(withdraw: str) -> None:
    bench = Bench()
    bench.run(60)
    withdrawn = bench.session.store.current.number
    version = bench.session.reset() if withdraw == "reset" else bench.session.rollback()
    bench.chunks.clear()
    bench.run(8, Mode.ADAPTING)
    assert bench.chunks[0].version == version.number
    assert withdrawn not in {chunk.version for chunk in bench.chunks}
    assert {chunk.epoch for chunk in bench.chunks} == {bench.session.store.epoch}
