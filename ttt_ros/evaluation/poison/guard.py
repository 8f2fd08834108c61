"""The safeguard beside one deployment, in the robot's own time, and a policy's side that obeys it."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ttt_ros.adaptation.report import WindowReport
from ttt_ros.control.figures import window_figures
from ttt_ros.evaluation.deployments.arms import Arm
from ttt_ros.evaluation.deployments.runner import Adaptation, GoalResult, Robot
from ttt_ros.policies.observation import Observation
from ttt_ros.policies.protocol import Policy
from ttt_ros.policies.transition import FastWeights, Transitions
from ttt_ros.safeguard.clock import NANOSECONDS
from ttt_ros.safeguard.configuration import SafeguardConfig
from ttt_ros.safeguard.judge import Safeguard, Verdict
from ttt_ros.safeguard.ladder import Mode


class Guard:
    """A safeguard that hears every stream at each of its heartbeats: what is poisoned is what the streams say, not that they say it."""

    def __init__(self, config: SafeguardConfig, *, cameras: Sequence[str]) -> None:
        """Begins at instant 0, in ``base``."""
        self._safeguard = Safeguard(config, cameras=cameras, now=0)
        self._cameras = tuple(cameras)
        self._period = round(config.heartbeat_period * NANOSECONDS)
        self._now = 0

    @property
    def verdict(self) -> Verdict:
        """What is allowed now."""
        return self._safeguard.judge()

    def pass_time(self, now: int) -> None:
        """Beats up to the instant ``now``, ns."""
        while self._now + self._period <= now:
            self._now += self._period
            for camera in self._cameras:
                self._safeguard.streams.heard_camera(camera, self._now)
            self._safeguard.streams.heard_joint_state(self._now)
            self._safeguard.tick(self._now)

    def hear_chunk(self) -> None:
        """Hears that a chunk was decided."""
        self._safeguard.streams.heard_chunk(self._now)

    def hear_window(self, report: WindowReport) -> None:
        """Hears of a window what the policy node would publish."""
        self._safeguard.heard_window(window_figures(report), self._now)


class GuardedAdaptation(Adaptation):
    """Commits only with the safeguard's permit, and takes back what it does not trust, as the control loop does on a robot.

    Attributes:
        modes: how many windows were worked on in each mode.
    """

    def __init__(self, policy: Policy, arm: Arm, *, seed: int, guard: Guard) -> None:
        """Begins at the base, as ``Adaptation``."""
        super().__init__(policy, arm, seed=seed)
        self._guard = guard
        self._ordered = Mode.BASE
        self.modes: Counter[str] = Counter()

    @property
    def weights(self) -> FastWeights:
        """The fast weights in force: the base's, from mode ``base`` on."""
        self._obey()
        return self._base if self._ordered >= Mode.BASE else super().weights

    @property
    def permitted(self) -> bool:
        """Whether the safeguard permits a commit."""
        return self._guard.verdict.permit

    def learn(self, transition: Transitions, *, stamp: int) -> WindowReport | None:
        """As ``Adaptation``, and tells the safeguard what became of the window."""
        self._obey()
        self.modes[self._ordered.label] += 1
        report = super().learn(transition, stamp=stamp)
        if report is not None:
            self._guard.hear_window(report)
        return report

    def _obey(self) -> None:
        verdict = self._guard.verdict
        if self._learner is not None and self._ordered < verdict.mode <= Mode.BASE:
            self._learner.store.restore(verdict.trusted_version if verdict.mode is Mode.FROZEN else 0)
        self._ordered = verdict.mode


class GuardedRobot:
    """A robot that keeps its position from mode ``hold`` on, and whose clock is the safeguard's."""

    def __init__(self, robot: Robot, guard: Guard) -> None:
        """Wraps ``robot``."""
        self._robot = robot
        self._guard = guard
        self._last: NDArray[np.float64] | None = None

    def begin_goal(self, index: int) -> None:
        """As the robot."""
        self._robot.begin_goal(index)

    def observe(self) -> Observation:
        """As the robot; the safeguard lives up to this instant."""
        observation = self._robot.observe()
        self._guard.pass_time(observation.stamp)
        return observation

    def play(self, chunk: NDArray[np.float64]) -> None:
        """As the robot, or the last position again and again."""
        self._guard.hear_chunk()
        if self._guard.verdict.mode >= Mode.HOLD:
            chunk = np.broadcast_to(chunk[0] if self._last is None else self._last, chunk.shape)
        self._robot.play(chunk)
        self._last = chunk[-1]

    def rest(self) -> None:
        """As the robot."""
        self._robot.rest()

    def result(self) -> GoalResult:
        """As the robot."""
        return self._robot.result()
