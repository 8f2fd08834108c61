"""Closed-loop rollouts, with policies whose behaviour is known."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from ttt_ros.policies.observation import Observation
from ttt_ros.policies.transition import NO_MEMORY, FastWeights, Features, Memory
from ttt_ros.simulation.engine import CONTROL_PERIOD, Simulation
from ttt_ros.simulation.expert import Expert
from ttt_ros.simulation.tasks import CONTACT_SKILLS, Skill, Task, parse
from ttt_ros.training.assessment import assess
from ttt_ros.training.desk_arm import SPECIFICATION, VOCABULARY
from ttt_ros.training.rollouts import REPLAN_STEPS, TIME_LIMITS, ask_for_each_cube, observe, roll_out, roll_out_skill


class ScriptedPolicy:
    """Answers with the expert's present command, repeated; or, if it is deaf, always about the red cube."""

    specification = SPECIFICATION
    checksum = "scripted"

    def __init__(self, simulation: Simulation, *, deaf: bool = False) -> None:
        self._expert = Expert(simulation)
        self._deaf = deaf

    def base_fast_weights(self) -> FastWeights:
        return {}

    def encode(self, observation: Observation) -> Features:
        task = parse("touch the red cube" if self._deaf else observation.instruction)
        return {"command": torch.from_numpy(self._expert.action(task))[None].float()}

    def act(self, features: Features, fast: FastWeights, memory: Memory = NO_MEMORY) -> Tensor:
        return features["command"][:, None].expand(-1, SPECIFICATION.horizon, -1)


@pytest.fixture(scope="module")
def simulation() -> Iterator[Simulation]:
    simulation = Simulation()
    yield simulation
    simulation.close()


def test_a_policy_that_knows_the_task_succeeds_and_the_time_is_counted(simulation: Simulation) -> None:
    task = Task(skill=Skill.TOUCH, colour="green")
    rollout = roll_out(ScriptedPolicy(simulation), simulation, task=task, instruction=task.instruction, seed=5)  # type: ignore[arg-type]
    assert rollout.success
    assert rollout.first_touched == "green"
    assert REPLAN_STEPS * CONTROL_PERIOD < rollout.duration < TIME_LIMITS[Skill.TOUCH]


def test_a_policy_that_ignores_the_words_fails_where_they_matter(simulation: Simulation) -> None:
    asked = ask_for_each_cube(ScriptedPolicy(simulation, deaf=True), simulation, seed=5)  # type: ignore[arg-type]
    assert [rollout.success for rollout in asked] == [True, False, False]
    assert {rollout.first_touched for rollout in asked} == {"red"}
    assert asked[1].duration == pytest.approx(TIME_LIMITS[Skill.TOUCH], abs=CONTROL_PERIOD)


def test_a_rollout_is_reproducible(simulation: Simulation) -> None:
    runs = [list(roll_out_skill(ScriptedPolicy(simulation), simulation, skill=Skill.TOUCH, episodes=2)) for _ in range(2)]  # type: ignore[arg-type]
    assert runs[0] == runs[1]


def test_an_observation_of_the_simulation_fits_the_specification(simulation: Simulation) -> None:
    seen = observe(simulation, "touch the red cube")
    assert {name: tuple(image.shape) for name, image in seen.images.items()} == {
        camera.name: (camera.height, camera.width, 3) for camera in SPECIFICATION.cameras
    }
    assert seen.joint_positions.shape == (len(SPECIFICATION.joint_names),)


def test_every_instruction_of_the_simulation_can_be_read() -> None:
    for skill in CONTACT_SKILLS:
        for colour in ("red", "green", "blue"):
            VOCABULARY.encode(Task(skill=skill, colour=colour).instruction, length=SPECIFICATION.max_instruction_words)


def test_an_assessment_counts_the_episodes_and_brackets_the_share(monkeypatch: pytest.MonkeyPatch, simulation: Simulation) -> None:
    monkeypatch.setattr("ttt_ros.training.assessment.Simulation", lambda: simulation)
    monkeypatch.setattr(simulation, "close", lambda: None)
    found = assess(ScriptedPolicy(simulation, deaf=True), episodes=3, layouts=1)  # type: ignore[arg-type]
    assert (found.touch.count, found.touch.episodes) == (1, 3)
    assert (found.language.count, found.language.episodes) == (1, 3)
    assert found.language.lower < found.language.share < found.language.upper
