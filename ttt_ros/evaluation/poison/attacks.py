"""What an attacker does to the observations that a robot learns from."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ttt_ros.evaluation.deployments.runner import GoalResult, Robot
from ttt_ros.policies.observation import Observation

OLD = 8
"""Goals after which a recorded frame counts as old: the shipped policy's memory holds that many movements."""

_KEPT = 64  # outcomes that a replaying attacker has recorded
_GLITCH_JOINTS = 0.5  # rad, standard deviation
_BIAS_JOINTS = 0.1  # rad, at the end of the run: the limit of an encoder's error in training
_BIAS_PIXELS = 4.0  # at the end of the run: some 2 cm on the table, which is more than a goal's tolerance

Foreign = Callable[[int], Observation]
"""What another robot saw after its movement to the goal of that number."""


class Kind(str, Enum):
    """What is done to the observations of a poisoned goal."""

    NONE = "none"
    GLITCH = "glitch"
    """The picture after the movement has slipped to anywhere, and the encoders read anything."""
    BIAS = "bias"
    """Picture and encoders are off after the movement, always to the same side, and by more and more over the run."""
    PATCH = "patch"
    """A print lies in view before and after the movement."""
    REPLAY = "replay"
    """Picture and encoders after the movement are those of an earlier goal."""
    SWAP = "swap"
    """Picture and encoders after the movement are those of another robot, on its way to its own goals."""


@dataclass(frozen=True, kw_only=True)
class Attack:
    """One attack.

    Attributes:
        name: in file names and figures.
        label: in words.
        kind: what is done.
        share: of the goals that are poisoned, 0 to 1.
    """

    name: str
    label: str
    kind: Kind
    share: float


CLEAN = Attack(name="clean", label="no attack", kind=Kind.NONE, share=0.0)

ATTACKS = (
    CLEAN,
    Attack(name="glitch_05", label="glitches in 5 %", kind=Kind.GLITCH, share=0.05),
    Attack(name="glitch_20", label="glitches in 20 %", kind=Kind.GLITCH, share=0.2),
    Attack(name="glitch_50", label="glitches in 50 %", kind=Kind.GLITCH, share=0.5),
    Attack(name="bias_50", label="slow bias in 50 %", kind=Kind.BIAS, share=0.5),
    Attack(name="patch_50", label="printed patch in 50 %", kind=Kind.PATCH, share=0.5),
    Attack(name="replay_50", label="replayed frames in 50 %", kind=Kind.REPLAY, share=0.5),
    Attack(name="swap_50", label="streams swapped in 50 %", kind=Kind.SWAP, share=0.5),
)


class PoisonedRobot:
    """A robot whose observations an attacker changes at some of the goals, drawn from the seed alone, so the same for every defence.

    All attacks but the patch fall on the observation after the movement. Only the learner, the policy's memory and the way back read that
    one: so success tells what was learned from the poison, and not that a policy cannot point at what it is not shown.
    """

    def __init__(
        self, robot: Robot, attack: Attack, *, seed: int, goals: int, patch: NDArray[np.uint8] | None = None, foreign: Foreign | None = None
    ) -> None:
        """Wraps ``robot`` for a run of ``goals``; a patch needs ``patch``, RGB (side, side, 3), and a swap ``foreign``."""
        self._robot = robot
        self._attack = attack
        self._seed = seed
        self._goals = goals
        self._patch = patch
        self._foreign = foreign
        self._outcomes: deque[tuple[int, Observation]] = deque(maxlen=_KEPT)
        self._resting = False
        self.poisoned = False

    def begin_goal(self, index: int) -> None:
        """As the robot; draws whether the goal is poisoned, and with what."""
        self._robot.begin_goal(index)
        self._index = index
        self._resting = False
        self._random = np.random.default_rng([self._seed, index, list(Kind).index(self._attack.kind)])
        self.poisoned = self._random.random() < self._attack.share

    def observe(self) -> Observation:
        """What arrives of what the robot sees."""
        seen = self._robot.observe()
        if self._resting:
            self._outcomes.append((self._index, seen))
        if not self.poisoned:
            return seen
        if self._attack.kind is Kind.PATCH and self._patch is not None:
            return patched(seen, self._patch)
        return self._outcome(seen) if self._resting else seen

    def play(self, chunk: NDArray[np.float64]) -> None:
        """As the robot."""
        self._robot.play(chunk)

    def rest(self) -> None:
        """As the robot; the observation that follows is that after the movement."""
        self._robot.rest()
        self._resting = True

    def result(self) -> GoalResult:
        """As the robot."""
        return self._robot.result()

    def _outcome(self, seen: Observation) -> Observation:
        if self._attack.kind is Kind.GLITCH:
            return _glitched(seen, self._random)
        if self._attack.kind is Kind.BIAS:
            return _biased(seen, share=(self._index + 1) / self._goals)
        if self._attack.kind is Kind.REPLAY:
            old = [observation for index, observation in self._outcomes if index <= self._index - OLD]
            return _with_senses_of(seen, old[self._random.integers(len(old))]) if old else seen
        if self._attack.kind is Kind.SWAP and self._foreign is not None:
            return _with_senses_of(seen, self._foreign(self._index))
        return seen


def patched(observation: Observation, patch: NDArray[np.uint8]) -> Observation:
    """The observation with ``patch``, RGB (side, side, 3), in the upper left corner of every picture."""
    side = len(patch)

    def with_patch(image: Tensor) -> Tensor:
        image = image.clone()
        image[:side, :side] = torch.from_numpy(patch)
        return image

    return replace(observation, images={name: with_patch(image) for name, image in observation.images.items()})


def _glitched(seen: Observation, random: np.random.Generator) -> Observation:
    def slipped(image: Tensor) -> Tensor:
        rows, columns = random.integers(image.shape[0]), random.integers(image.shape[1])
        return image.roll((int(rows), int(columns)), dims=(0, 1))

    joints = torch.from_numpy(random.normal(scale=_GLITCH_JOINTS, size=len(seen.joint_positions))).float()
    images = {name: slipped(image) for name, image in seen.images.items()}
    return replace(seen, images=images, joint_positions=seen.joint_positions + joints)


def _biased(seen: Observation, *, share: float) -> Observation:
    pixels = round(share * _BIAS_PIXELS)
    images = {name: image.roll((pixels, pixels), dims=(0, 1)) for name, image in seen.images.items()}
    return replace(seen, images=images, joint_positions=seen.joint_positions + share * _BIAS_JOINTS)


def _with_senses_of(seen: Observation, other: Observation) -> Observation:
    """Pictures and joint positions of ``other`` under the stamp and the instruction of ``seen``."""
    return replace(seen, images=other.images, joint_positions=other.joint_positions)
