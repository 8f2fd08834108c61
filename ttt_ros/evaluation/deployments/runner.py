"""One deployment of one arm, with the code that also runs on a robot: the same window, the same learner, the same gates."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ttt_ros.adaptation.learner import Learner
from ttt_ros.adaptation.plausibility import Plausibility
from ttt_ros.adaptation.report import WindowReport
from ttt_ros.adaptation.versions import VersionStore
from ttt_ros.adaptation.window import TransitionWindow
from ttt_ros.control.action_meaning import to_absolute
from ttt_ros.control.executed import transition_between
from ttt_ros.evaluation.deployments.arms import Arm, Control
from ttt_ros.evaluation.deployments.controls import FlippedPolicy, ShuffledCommands
from ttt_ros.evaluation.deployments.records import GoalOutcome
from ttt_ros.policies.observation import Observation
from ttt_ros.policies.protocol import Policy
from ttt_ros.policies.transition import FastWeights, Features, Memory, Transitions

Result = TypeVar("Result")


class GoalResult(Protocol):
    """How a goal ended; ``ttt_ros.simulation.deployment.GoalResult`` is one."""

    @property
    def success(self) -> bool:
        """Whether the fingertip ended within the tolerance."""
        ...

    @property
    def distance_m(self) -> float:
        """Horizontal distance from the goal, m."""
        ...


class Robot(Protocol):
    """What a policy is deployed on; ``ttt_ros.simulation.deployment.Deployment`` is one."""

    def begin_goal(self, index: int) -> None:
        """Sets up goal number ``index``; the arm stays where it is."""
        ...

    def observe(self) -> Observation:
        """What the robot sees now, with the instruction in force."""
        ...

    def play(self, chunk: NDArray[np.float64]) -> None:
        """Commands each row of ``chunk``, (steps, joints), rad, for one period."""
        ...

    def rest(self) -> None:
        """From now on the instruction is to take the arm back."""
        ...

    def result(self) -> GoalResult:
        """How the goal stands now."""
        ...


class InformedPolicy(Protocol):
    """A policy that can be told what is hidden: an oracle."""

    def told(self, memory: Memory, hidden: Tensor) -> Memory:
        """The memory with ``hidden``, float32 (1, size), the robot's properties of this moment."""
        ...


class Adaptation:
    """What an arm does to its fast weights in one deployment; nothing, for an arm that does not adapt."""

    def __init__(self, policy: Policy, arm: Arm, *, seed: int) -> None:
        """Begins at the base; ``seed`` decides how a shuffled arm shuffles."""
        self._policy = policy
        self._reset_every = arm.reset_every
        self._shuffle = ShuffledCommands(seed=seed) if arm.control is Control.SHUFFLED else None
        self._base = policy.base_fast_weights()
        self._learner: Learner | None = None
        self._held = 0
        if arm.adaptation is not None:
            learning = FlippedPolicy(policy) if arm.control is Control.FLIPPED else policy
            store = VersionStore(self._base, modules=policy.fast_modules(), size=arm.adaptation.versions)
            self._learner = Learner(learning, arm.adaptation, store)
            self._plausibility = Plausibility(policy, history=arm.adaptation.innovation_history)
            self._window = TransitionWindow(size=arm.adaptation.window, minimum=arm.adaptation.minimum_samples)

    @property
    def weights(self) -> FastWeights:
        """The fast weights in force."""
        return self._learner.store.current.weights if self._learner else self._base

    @property
    def drift(self) -> float:
        """Relative distance of the fast weights from the base."""
        return self._learner.store.current.drift_total if self._learner else 0.0

    @property
    def permitted(self) -> bool:
        """Whether an update may be committed."""
        return True

    @property
    def bytes(self) -> int:
        """Size of what adapting keeps from goal to goal: weights, optimiser, window."""
        if self._learner is None:
            return 0
        version = self._learner.store.current
        return size_in_bytes(version.weights) + size_in_bytes(version.momentum) + size_in_bytes(version.precision) + self._held

    def begin_goal(self, index: int) -> None:
        """Restores the base where the arm does so periodically. Memory and window stay, which makes this a stronger baseline."""
        if self._learner and self._reset_every and index and index % self._reset_every == 0:
            self._learner.store.reset()

    def plausible(self, transition: Transitions) -> bool:
        """Whether the policy may remember one informative transition, asked before it is learned from; any, where nothing adapts."""
        if self._learner is None:
            return True
        store = self._learner.store
        return self._plausibility.judge(transition, store.current, epoch=store.epoch, config=self._learner.config)

    def learn(self, transition: Transitions, *, stamp: int) -> WindowReport | None:
        """Takes one informative transition in; None while there is nothing to learn from it."""
        if self._learner is None:
            return None
        given = self._shuffle.shuffled(transition) if self._shuffle else transition
        window = self._window.push(given, stamp=stamp) if given else None
        if window is None:
            return None
        self._held = _transition_bytes(window.transitions)
        return self._learner.adapt(window, epoch=self._learner.store.epoch, permitted=self.permitted)


@dataclass
class _Clock:
    """Processor seconds of this thread spent in each part of one goal, which a busy machine does not stretch."""

    encode: float = 0.0
    act: float = 0.0
    remember: float = 0.0
    adapt: float = 0.0


class Runner:
    """A policy at work on one robot, goal by goal. Its costs are only right with one torch thread, as ``jobs.run`` sets it."""

    def __init__(
        self,
        policy: Policy,
        arm: Arm,
        robot: Robot,
        *,
        seed: int,
        told: Callable[[Memory, int], Memory] | None = None,
        adaptation: Adaptation | None = None,
    ) -> None:
        """Begins with the base weights and an empty memory.

        Args:
            told: for an oracle: puts what is hidden at a goal, given by its number, into the memory.
            adaptation: of the fast weights; without one they adapt as the arm says and nobody watches.
        """
        self._policy = policy
        self._robot = robot
        self._told = told
        self._adaptation = adaptation or Adaptation(policy, arm, seed=seed)
        self._memory = policy.begin()

    @torch.no_grad()
    def goal(self, index: int) -> GoalOutcome:
        """Runs goal number ``index``; goals must come in order, from 0."""
        clock = _Clock()
        self._adaptation.begin_goal(index)
        self._robot.begin_goal(index)
        if self._told:
            self._memory = self._told(self._memory, index)
        before, seen, chunk = self._decide(clock)
        reached = self._play(before, chunk)
        result = self._robot.result()

        self._robot.rest()
        after = self._robot.observe()
        now_seen = self._timed(clock, "encode", lambda: self._policy.encode(after))
        meaning = self._policy.specification.action_meaning
        transition = transition_between((before, seen), chunk, (after, now_seen), meaning=meaning)
        report = self._learn(clock, transition, stamp=before.stamp) if reached else None
        way_back = self._timed(clock, "act", lambda: self._act(now_seen))
        returned = self._play(after, way_back)
        return GoalOutcome(
            success=result.success and reached,
            distance=result.distance_m,
            loss=_finite(report.prediction_loss) if report else None,
            loss_after=_finite(report.loss_after) if report else None,
            drift=self._adaptation.drift,
            committed=report is not None and report.committed,
            reason=_reason(report, reached),
            steps=(reached + returned) * chunk.shape[1],
            encode_seconds=clock.encode,
            act_seconds=clock.act,
            remember_seconds=clock.remember,
            adapt_seconds=clock.adapt,
            memory_bytes=size_in_bytes(self._memory),
            adaptation_bytes=self._adaptation.bytes,
        )

    def _decide(self, clock: _Clock) -> tuple[Observation, Features, Tensor]:
        observation = self._robot.observe()
        features = self._timed(clock, "encode", lambda: self._policy.encode(observation))
        return observation, features, self._timed(clock, "act", lambda: self._act(features))

    def _act(self, features: Features) -> Tensor:
        return self._policy.act(features, self._adaptation.weights, self._memory)

    def _play(self, observation: Observation, chunk: Tensor) -> bool:
        """Plays the chunk, or nothing of one that is not finite, which a control loop would refuse; says whether it did."""
        if not chunk.isfinite().all():
            return False
        meaning = self._policy.specification.action_meaning
        self._robot.play(to_absolute(chunk[0].numpy(), observed=observation.joint_positions.numpy(), meaning=meaning))
        return True

    def _learn(self, clock: _Clock, transition: Transitions, *, stamp: int) -> WindowReport | None:
        """Learns from a transition, if it tells anything, and remembers it, if it is plausible."""
        if not bool(self._policy.informative(transition)):
            return None
        plausible = self._timed(clock, "remember", lambda: self._adaptation.plausible(transition))
        report = self._timed(clock, "adapt", lambda: self._adaptation.learn(transition, stamp=stamp))
        if plausible:
            self._memory = self._timed(clock, "remember", lambda: self._policy.remember(self._memory, transition))
        return report

    @staticmethod
    def _timed(clock: _Clock, part: str, work: Callable[[], Result]) -> Result:
        started = time.thread_time()
        result = work()
        setattr(clock, part, getattr(clock, part) + time.thread_time() - started)
        return result


def size_in_bytes(tensors: Mapping[str, Tensor]) -> int:
    """Bytes that the values of ``tensors`` take."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())


def _transition_bytes(transitions: Transitions) -> int:
    own = {"executed": transitions.executed, "steps": transitions.steps}
    return size_in_bytes(transitions.features) + size_in_bytes(transitions.next_features) + size_in_bytes(own)


def _finite(figure: float | None) -> float | None:
    return figure if figure is not None and math.isfinite(figure) else None


def _reason(report: WindowReport | None, reached: bool) -> str:
    if not reached:
        return "the chunk was not finite and was not played"
    return report.reason if report else ""
