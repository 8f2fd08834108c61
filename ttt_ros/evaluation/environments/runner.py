"""Episodes in a row on one shifted robot: fast weights, window and memory last from the first to the last."""

import math
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType

import numpy as np
import torch
from torch import Tensor

from ttt_ros.control.action_meaning import following_error, to_absolute
from ttt_ros.evaluation.deployments.arms import Arm
from ttt_ros.evaluation.deployments.runner import Adaptation
from ttt_ros.evaluation.environments.records import EpisodeOutcome
from ttt_ros.policies.observation import Observation
from ttt_ros.policies.protocol import Policy
from ttt_ros.policies.transition import Features, Transitions
from ttt_ros.simulation.foreign.description import EnvironmentTask, RobotDescription, check_policy
from ttt_ros.simulation.foreign.factory import make_environment
from ttt_ros.simulation.foreign.robot import ForeignRobot
from ttt_ros.simulation.foreign.shifts import EnvironmentShift, shifted


class ShiftedRobot:
    """One robot under one shift, with an environment for each of its tasks; a context manager that frees them."""

    def __init__(self, description: RobotDescription, tasks: tuple[EnvironmentTask, ...], shift: EnvironmentShift, *, seed: int) -> None:
        """Opens the environments.

        Args:
            seed: of a corruption's noise.

        Raises:
            SimulationError: an environment cannot be made, or is not what ``description`` says.
        """
        self.description = description
        self.tasks: dict[str, ForeignRobot] = {}
        with ExitStack() as opened:
            for task in tasks:
                environment = make_environment(description.environment, task)
                opened.callback(environment.close)
                self.tasks[task.name] = ForeignRobot(description, task, shifted(environment, shift, description, seed=seed))
            self._opened = opened.pop_all()

    def __enter__(self) -> "ShiftedRobot":
        """The robot."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Frees the environments."""
        self._opened.close()


@dataclass
class _Episode:
    """What adds up over one episode."""

    losses: list[float] = field(default_factory=list)
    windows: int = 0
    committed: int = 0


class Runner:
    """A policy at work on one shifted robot, episode by episode."""

    def __init__(self, policy: Policy, arm: Arm, robot: ShiftedRobot, *, seed: int) -> None:
        """Begins with the base weights and an empty memory; ``seed`` decides how a shuffled arm shuffles.

        Raises:
            SpecificationError: the policy does not fit the robot.
        """
        check_policy(robot.description, policy.specification)
        self._policy = policy
        self._robot = robot
        self._adaptation = Adaptation(policy, arm, seed=seed)
        self._memory = policy.begin()
        self._chunks = 0

    @torch.no_grad()
    def episode(self, task: str, seed: int) -> EpisodeOutcome:
        """Runs the task's episode of this seed.

        Raises:
            InstructionError, ObservationError: the policy cannot read what the robot sees.
            SimulationError: the environment delivers something else than was described.
        """
        robot, figures = self._robot.tasks[task], _Episode()
        robot.reset(seed)
        observation, features = self._look(robot)
        diverged = False
        while not robot.over:
            chunk = self._policy.act(features, self._adaptation.weights, self._memory)
            diverged = not bool(chunk.isfinite().all())
            if diverged:
                break
            played = self._play(robot, chunk, observation)
            seen = self._look(robot)
            self._learn(self._transition((observation, features), chunk, played, seen), figures)
            observation, features = seen
        return EpisodeOutcome(
            task=task,
            seed=seed,
            success=robot.success and not diverged,
            steps=robot.steps,
            loss=float(np.mean(figures.losses)) if figures.losses else None,
            drift=self._adaptation.drift,
            windows=figures.windows,
            committed=figures.committed,
        )

    def _look(self, robot: ForeignRobot) -> tuple[Observation, Features]:
        observation = robot.observe()
        return observation, self._policy.encode(observation)

    def _play(self, robot: ForeignRobot, chunk: Tensor, observation: Observation) -> int:
        meaning = self._policy.specification.action_meaning
        targets = to_absolute(chunk[0].cpu().numpy(), observed=observation.joint_positions.numpy(), meaning=meaning)
        return robot.play(targets[: self._robot.description.replan_steps])

    def _transition(
        self, before: tuple[Observation, Features], chunk: Tensor, played: int, after: tuple[Observation, Features]
    ) -> Transitions:
        """The first ``played`` steps of the chunk, the last one of them repeated."""
        executed = torch.cat([chunk[:, :played], chunk[:, played - 1 : played].expand(-1, chunk.shape[1] - played, -1)], dim=1)
        return Transitions(
            features=before[1],
            executed=executed,
            steps=torch.tensor([played], device=chunk.device),
            next_features=after[1],
            following_error=following_error(executed, before[0], after[0], meaning=self._policy.specification.action_meaning),
        )

    def _learn(self, transition: Transitions, figures: _Episode) -> None:
        """Learns from a transition and remembers it, if it tells anything."""
        self._chunks += 1
        if not bool(self._policy.informative(transition)):
            return
        report = self._adaptation.learn(transition, stamp=self._chunks)
        self._memory = self._policy.remember(self._memory, transition)
        if report is None:
            return
        figures.windows += 1
        figures.committed += report.committed
        if report.prediction_loss is not None and math.isfinite(report.prediction_loss):
            figures.losses.append(report.prediction_loss)
