"""What each attack does to which observations, and that all defences are attacked alike."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from deployment_stand_ins import StandInRobot
from hypothesis import given, settings
from hypothesis import strategies as st

from ttt_ros.evaluation.poison.attacks import ATTACKS, CLEAN, OLD, Attack, Kind, PoisonedRobot, patched
from ttt_ros.policies.observation import Observation

GOALS = 2 * OLD
PATCH = np.full((2, 2, 3), 7, dtype=np.uint8)


def attack(kind: Kind, share: float = 1.0) -> Attack:
    return Attack(name="an_attack", label="an attack", kind=kind, share=share)


def observations(attack: Attack, *, goals: int = GOALS, seed: int = 0) -> list[tuple[Observation, Observation]]:
    """Before and after each movement."""
    other = StandInRobot(seed=99)

    def foreign(index: int) -> Observation:
        other.begin_goal(index)
        return other.observe()

    robot = PoisonedRobot(StandInRobot(seed=0), attack, seed=seed, goals=goals, patch=PATCH, foreign=foreign)
    seen = []
    for index in range(goals):
        robot.begin_goal(index)
        before = robot.observe()
        robot.rest()
        seen.append((before, robot.observe()))
    return seen


def same(one: Observation, other: Observation) -> bool:
    return one.images["front"].equal(other.images["front"]) and one.joint_positions.equal(other.joint_positions)


def test_without_an_attack_nothing_is_changed():
    plain = StandInRobot(seed=0)
    for index, (before, after) in enumerate(observations(CLEAN)):
        plain.begin_goal(index)
        assert same(before, plain.observe())
        assert same(after, plain.observe())


@pytest.mark.parametrize("kind", [Kind.GLITCH, Kind.BIAS, Kind.REPLAY, Kind.SWAP])
def test_only_what_is_seen_after_the_movement_is_changed(kind):
    for (before, after), (clean_before, clean_after) in list(zip(observations(attack(kind)), observations(CLEAN), strict=True))[OLD:]:
        assert same(before, clean_before)
        assert not same(after, clean_after)
        assert (after.stamp, after.instruction) == (clean_after.stamp, clean_after.instruction)


def test_a_patch_lies_in_every_picture():
    for before, after in observations(attack(Kind.PATCH)):
        assert (before.images["front"][:2, :2] == 7).all()
        assert (after.images["front"][:2, :2] == 7).all()


def test_a_patch_leaves_the_observation_that_it_is_put_on_as_it_was():
    (before, _), *_ = observations(CLEAN)
    untouched = before.images["front"].clone()
    assert not same(patched(before, PATCH), before)
    assert before.images["front"].equal(untouched)


def test_a_replayed_frame_is_one_of_the_robots_own_and_old():
    clean = [after for _, after in observations(CLEAN)]
    for index, (_, after) in enumerate(observations(attack(Kind.REPLAY))):
        sources = [number for number, old in enumerate(clean) if same(old, after)]
        assert sources
        assert sources[0] <= index - OLD or sources == [index]
        assert index < OLD or sources != [index]


def test_a_swapped_stream_is_the_other_robots_at_the_same_goal():
    other = StandInRobot(seed=99)
    for index, (_, after) in enumerate(observations(attack(Kind.SWAP))):
        other.begin_goal(index)
        assert same(after, other.observe())


def test_the_bias_grows_and_keeps_its_side():
    errors = [
        (after.joint_positions - clean.joint_positions)
        for (_, after), (_, clean) in zip(observations(attack(Kind.BIAS)), observations(CLEAN), strict=True)
    ]
    sizes = torch.stack(errors)
    assert (sizes > 0).all()
    assert (sizes.diff(dim=0) > 0).all()


@settings(deadline=None, derandomize=True, max_examples=10)
@given(st.integers(0, 10_000), st.sampled_from([each for each in ATTACKS if each is not CLEAN]))
def test_the_share_is_about_that_asked_for_and_the_same_seed_poisons_the_same_goals(seed, attack):
    def poisoned() -> list[bool]:
        robot = PoisonedRobot(StandInRobot(), replace(attack, kind=Kind.GLITCH), seed=seed, goals=400)
        flags = []
        for index in range(400):
            robot.begin_goal(index)
            flags.append(robot.poisoned)
        return flags

    first = poisoned()
    assert first == poisoned()
    assert sum(first) / 400 == pytest.approx(attack.share, abs=0.12)
