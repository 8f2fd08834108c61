"""What has to be said about somebody else's environment before a policy can work in it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Annotated, Any

from pydantic import Field

from ttt_ros.configuration import strict
from ttt_ros.errors import ConfigurationError, SpecificationError
from ttt_ros.policies.specification import PolicySpecification

Name = Annotated[str, Field(min_length=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]

_PERIOD_TOLERANCE = 0.01


class Meaning(str, Enum):
    """What one number of an environment's action does."""

    DIRECT = "direct"
    """It is the target itself: a position, or anything else that holds until the next action."""
    DISPLACEMENT = "displacement"
    """It is how far to go in this step."""


@strict
@dataclass(frozen=True, kw_only=True)
class Channel:
    """One number of an environment's action; it follows one target of a policy's chunk.

    Attributes:
        name: of the number.
        meaning: what it does.
        unit: of ``displacement``: how far an action of 1 asks to go, in units of the measured value.
        share: of ``displacement``: the part of the distance to the target that each step asks for.
    """

    name: Name
    meaning: Meaning = Meaning.DIRECT
    unit: Positive = 1.0
    share: Annotated[float, Field(gt=0, le=1)] = 1.0


@strict
@dataclass(frozen=True, kw_only=True)
class RobotDescription:
    """The robot of an environment.

    Attributes:
        environment: a Gymnasium id, or ``module:function`` of a function that returns a ``gymnasium.Env``.
        camera: name that the policy knows the image by: an entry of the observation where that is a dictionary with such a key,
            otherwise what ``render()`` returns (so that an image is made only when the policy looks).
        proprioception: the entry of the observation with the measured values; empty where the observation is that vector.
        proprioception_names: of the measured values; the policy's joint names.
        channels: the action, number by number; each follows the target at its place in ``proprioception_names``.
        horizon: steps in one chunk.
        period: seconds of one environment step.
        replan_steps: steps of each chunk that are played before the policy looks again.
        step_limit: steps after which an episode has failed.
        success_key: the entry of the step's information that says whether the task is done; empty: the episode's termination does.

    Raises:
        ConfigurationError: more steps to play than a chunk has, or another number of channels than of measured values.
    """

    environment: Name
    camera: Name
    proprioception: str = ""
    proprioception_names: Annotated[tuple[Name, ...], Field(min_length=1)]
    channels: Annotated[tuple[Channel, ...], Field(min_length=1)]
    horizon: Count
    period: Positive
    replan_steps: Count
    step_limit: Count
    success_key: str = "success"

    def __post_init__(self) -> None:
        if self.replan_steps > self.horizon:
            raise ConfigurationError(f"replan_steps is {self.replan_steps}, but a chunk has {self.horizon} steps; play at most all of them")
        if len(self.channels) != len(self.proprioception_names):
            raise ConfigurationError(
                f"there are {len(self.channels)} channels for {len(self.proprioception_names)} measured values; "
                "give each measured value the channel that moves it"
            )


@strict
@dataclass(frozen=True, kw_only=True)
class EnvironmentTask:
    """One task of the robot.

    Attributes:
        name: in tables and file names.
        instruction: the task in words.
        arguments: of the environment's function, or of ``gymnasium.make``.
    """

    name: Name
    instruction: Name
    arguments: Mapping[str, Any] = field(default_factory=dict)


def check_policy(robot: RobotDescription, specification: PolicySpecification) -> None:
    """Raises SpecificationError, listing every difference, unless a policy with this specification fits ``robot``."""
    pairs = (
        ("cameras", tuple(camera.name for camera in specification.cameras), (robot.camera,)),
        ("joints", specification.joint_names, robot.proprioception_names),
        ("steps in a chunk", specification.horizon, robot.horizon),
    )
    problems = [f"{what}: the policy has {its}, the robot {ours}" for what, its, ours in pairs if its != ours]
    if abs(specification.period / robot.period - 1) > _PERIOD_TOLERANCE:
        problems.append(f"period: the policy has {specification.period:g} s, the robot {robot.period:g} s")
    if problems:
        raise SpecificationError(f"the policy does not fit the environment: {'; '.join(problems)}; use another policy or description")
