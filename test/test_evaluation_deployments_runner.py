"""One deployment of one arm."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from deployment_policies import Expert
from deployment_stand_ins import DivergedPolicy, ObedientRobot, PointingPolicy, StandInRobot, SurprisedPolicy
from small_policy import HORIZON, SmallPolicy

from ttt_ros.adaptation.configuration import AdaptationConfig
from ttt_ros.control.executed import transition_between
from ttt_ros.errors import ConfigurationError
from ttt_ros.evaluation.deployments.arms import Arm, Control, Role, without_gates
from ttt_ros.evaluation.deployments.conditions import CONDITIONS
from ttt_ros.evaluation.deployments.controls import ShuffledCommands
from ttt_ros.evaluation.deployments.records import GoalOutcome
from ttt_ros.evaluation.deployments.repeated import Repeated
from ttt_ros.evaluation.deployments.runner import Runner
from ttt_ros.policies.transition import Memory
from ttt_ros.simulation.deployment import Deployment

ADAPTATION = AdaptationConfig(window=4, minimum_samples=2, learning_rate=0.05)
FROZEN = Arm(name="frozen", label="frozen", role=Role.FROZEN, checkpoint=Path("none"))
ADAPTING = replace(FROZEN, name="adapting", role=Role.ADAPTING, adaptation=ADAPTATION)
GATED = replace(ADAPTING, adaptation=replace(ADAPTATION, objectives={"features": 1.0}, innovation_factor=4.0))


def run(arm: Arm, *, goals: int = 6, robot: StandInRobot | None = None) -> list[GoalOutcome]:
    runner = Runner(PointingPolicy(), arm, robot or StandInRobot(), seed=0)
    return [runner.goal(index) for index in range(goals)]


def figures(outcome: GoalOutcome) -> tuple[object, ...]:
    """What does not depend on how fast the machine is."""
    return (outcome.success, outcome.distance, outcome.loss, outcome.loss_after, outcome.drift, outcome.committed, outcome.reason)


def test_a_goal_is_a_chunk_a_result_and_a_chunk_back_with_one_observation_each():
    robot = StandInRobot()
    run(FROZEN, goals=2, robot=robot)
    assert robot.calls == ["begin", "observe", "play", "result", "rest", "observe", "play"] * 2


def test_success_and_distance_are_those_of_the_pointing_chunk():
    outcomes = run(FROZEN, goals=4)
    assert [outcome.success for outcome in outcomes] == [True, False, True, False]
    assert [outcome.distance for outcome in outcomes] == [0.01, 0.02, 0.01, 0.02]
    assert all(outcome.steps == 2 * HORIZON for outcome in outcomes)


def test_a_frozen_arm_never_changes_and_keeps_nothing():
    outcomes = run(FROZEN)
    assert {(outcome.drift, outcome.committed, outcome.loss, outcome.adaptation_bytes) for outcome in outcomes} == {(0.0, False, None, 0)}


def test_an_adapting_arm_learns_from_every_informative_transition_once_the_window_allows():
    outcomes = run(ADAPTING)
    assert [outcome.loss is not None for outcome in outcomes] == [False, True, True, True, True, True]
    assert outcomes[-1].committed
    assert outcomes[-1].drift > 0
    assert outcomes[-1].adaptation_bytes > outcomes[0].adaptation_bytes > 0


def test_the_way_back_is_neither_remembered_nor_learned_from():
    memories: list[Memory] = []

    def told(memory: Memory, goal: int) -> Memory:
        memories.append(memory)
        return memory

    runner = Runner(PointingPolicy(), ADAPTING, StandInRobot(), seed=0, told=told)
    for index in range(4):
        runner.goal(index)
    assert [float(memory["count"]) for memory in memories] == [0, 1, 2, 3]


def remembered(arm: Arm, *, surprised_at: set[int], goals: int = 8) -> list[float]:
    """How many transitions are in memory before each goal."""
    counts: list[float] = []

    def told(memory: Memory, goal: int) -> Memory:
        counts.append(float(memory["count"]))
        return memory

    runner = Runner(SurprisedPolicy(at=surprised_at), arm, StandInRobot(), seed=0, told=told)
    for index in range(goals):
        runner.goal(index)
    return counts


def test_what_is_implausible_is_not_remembered_from_the_first_goal_on():
    assert remembered(GATED, surprised_at={0, 3, 6}) == [0, 0, 1, 2, 2, 3, 4, 4]


@pytest.mark.parametrize("arm", [replace(GATED, adaptation=replace(GATED.adaptation, innovation_factor=0.0)), FROZEN], ids=["0", "frozen"])
def test_without_an_innovation_gate_everything_is_remembered(arm):
    assert remembered(arm, surprised_at={0, 3, 6}) == list(range(8))


@pytest.mark.parametrize("offset", [0.0, 0.9])
def test_what_did_not_end_where_it_was_commanded_to_is_neither_remembered_nor_learned_from(offset):
    adaptation = replace(ADAPTATION, minimum_samples=1, following_limit=0.4)
    counts: list[float] = []
    runner = Runner(
        PointingPolicy(),
        replace(ADAPTING, adaptation=adaptation),
        ObedientRobot(offset=offset),
        seed=0,
        told=lambda memory, goal: (counts.append(float(memory["count"])), memory)[1],
    )
    committed = [runner.goal(index).committed for index in range(4)]
    assert (counts, any(committed)) == (([0, 1, 2, 3], True) if offset == 0.0 else ([0, 0, 0, 0], False))


def test_another_command_has_another_following_error():
    shuffle = ShuffledCommands(seed=0)
    before, after = (StandInRobot(seed=seed) for seed in (0, 1))
    for robot in (before, after):
        robot.begin_goal(0)
    seen, then = before.observe(), after.observe()
    chunks = torch.randn(2, 1, HORIZON, len(seen.joint_positions))
    first, second = (
        transition_between((seen, {}), chunk, (then, {}), meaning=SmallPolicy().specification.action_meaning) for chunk in chunks
    )
    assert shuffle.shuffled(first) is None
    shuffled = shuffle.shuffled(second)
    assert shuffled is not None
    assert shuffled.following_error is not None
    torch.testing.assert_close(shuffled.following_error, first.following_error)
    assert not torch.equal(shuffled.following_error, second.following_error)


def test_adapting_changes_what_is_done_from_the_next_chunk_on():
    frozen, adapting = StandInRobot(), StandInRobot()
    run(FROZEN, robot=frozen)
    run(ADAPTING, robot=adapting)
    same = [bool((one == other).all()) for one, other in zip(frozen.played, adapting.played, strict=True)]
    assert same[:3] == [True, True, True]
    assert not any(same[3:])


def test_the_same_arm_on_the_same_robot_gives_the_same_figures():
    assert [figures(outcome) for outcome in run(ADAPTING)] == [figures(outcome) for outcome in run(ADAPTING)]


def test_a_periodic_reset_takes_the_weights_back_before_the_goal_that_is_due():
    robot = StandInRobot()
    run(replace(ADAPTING, reset_every=4), robot=robot)
    frozen = StandInRobot()
    run(FROZEN, robot=frozen)
    assert (robot.played[8] == frozen.played[8]).all()
    assert (robot.played[7] != frozen.played[7]).any()
    assert (robot.played[9] != frozen.played[9]).any()


def test_a_flipped_update_raises_the_loss_that_the_right_one_lowers():
    right, wrong = run(ADAPTING)[1], run(replace(ADAPTING, control=Control.FLIPPED))[1]
    assert right.loss == wrong.loss
    assert right.loss_after < right.loss
    assert wrong.loss_after > wrong.loss


def test_shuffled_commands_are_those_of_the_run_but_not_of_their_transition():
    plain, shuffled = run(ADAPTING, goals=8), run(replace(ADAPTING, control=Control.SHUFFLED), goals=8)
    assert [outcome.success for outcome in plain] == [outcome.success for outcome in shuffled]
    assert shuffled[1].loss is None, "the first transition has no other to take a command from, so the window is one short"
    assert [outcome.loss for outcome in plain[2:]] != [outcome.loss for outcome in shuffled[2:]]


def test_a_chunk_that_is_not_finite_is_not_played_and_counts_as_missed():
    robot = StandInRobot()
    runner = Runner(DivergedPolicy(), ADAPTING, robot, seed=0)
    outcomes = [runner.goal(index) for index in range(3)]
    assert [outcome.success for outcome in outcomes] == [True, False, False]
    assert len(robot.played) == 2
    assert "not finite" in outcomes[2].reason
    assert outcomes[2].steps == 0


def test_a_repetition_sees_another_frame_of_the_same_scene():
    plain, again, twice = StandInRobot(), StandInRobot(), StandInRobot()
    run(FROZEN, robot=plain)
    runner = Runner(PointingPolicy(), FROZEN, Repeated(again, times=1), seed=0)
    other = Runner(PointingPolicy(), FROZEN, Repeated(twice, times=1), seed=0)
    for index in range(2):
        runner.goal(index)
        other.goal(index)
    assert (again.played[0] != plain.played[0]).any()
    assert (again.played[0] == twice.played[0]).all()


def test_without_gates_no_limit_is_left_and_the_update_rule_stays():
    free = without_gates(ADAPTATION)
    assert (free.drift_limit, free.probe_limit, free.trim_factor, free.minimum_samples) == (10.0, 6.3, 1e6, 1)
    assert (free.learning_rate, free.window, free.pull_back, free.clip_norm) == (0.05, 4, ADAPTATION.pull_back, ADAPTATION.clip_norm)


@pytest.mark.parametrize("change", [{"control": Control.FLIPPED}, {"reset_every": 4}])
def test_a_control_of_an_arm_that_does_not_adapt_is_refused(change):
    with pytest.raises(ConfigurationError, match="does not adapt"):
        replace(FROZEN, **change)


def test_a_goal_leaves_no_gradients_behind():
    runner = Runner(PointingPolicy(), ADAPTING, StandInRobot(), seed=0)
    runner.goal(0)
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("condition", ["training/all", "wider/all"])
def test_the_expert_meets_nearly_every_goal_of_the_real_simulation(condition):
    deployment = Deployment(CONDITIONS[condition].robot(3), seed=3)
    try:
        runner = Runner(Expert.of(deployment), FROZEN, deployment, seed=3)
        outcomes = [runner.goal(index) for index in range(12)]
    finally:
        deployment.close()
    assert sum(outcome.success for outcome in outcomes) >= 11
    assert all(outcome.steps == 80 for outcome in outcomes)
