"""The parameters of the policy node, known without ROS, and what they are turned into."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, TypeAlias

from ttt_ros.adaptation.configuration import AdaptationConfig, parameter_ranges
from ttt_ros.configuration import expanded_path, validated
from ttt_ros.control.limits import JointLimitsConfig
from ttt_ros.control.session import SessionConfig
from ttt_ros.errors import ConfigurationError
from ttt_ros.policies.shipped import SHIPPED, SHIPPED_POLICY

Value: TypeAlias = bool | int | float | str | tuple[str, ...]
Kind: TypeAlias = Literal["bool", "integer", "double", "string", "string_array", "double_array"]
"""A type of ROS parameters, in lower case."""

ADAPTATION = "adaptation."
OBJECTIVES = "adaptation.objectives."

_LIMITS = {
    "lower": "least position of each joint [rad]",
    "upper": "greatest position of each joint [rad]",
    "max_velocity": "greatest velocity of each joint [rad/s]",
    "max_step": "greatest step of each joint between two commands [rad]",
}
_OF_THE_SESSION = ("tolerance", "max_camera_age", "max_joint_age", "max_inference_time", "request_at", "blend_steps", "open_loop", "shadow")


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """One parameter.

    Attributes:
        name: with a dot between its parts.
        kind: type of the value.
        description: in words, with the unit.
        default: None for a parameter that must be given.
        minimum: of a number, inclusive.
        maximum: of a number, inclusive.
        live: may change while the node runs.
    """

    name: str
    kind: Kind
    description: str
    default: Value | None
    minimum: float | None = None
    maximum: float | None = None
    live: bool = False


@dataclass(frozen=True, kw_only=True)
class CameraParameters:
    """Where a camera's images come from: ``topic``, compressed or not, and ``rate``, its nominal frames per second."""

    topic: str
    compressed: bool
    rate: float


@dataclass(frozen=True, kw_only=True)
class NodeParameters:
    """What the parameters of a policy node say about the policy and its robot.

    Attributes:
        policy_path: of the checkpoint; a shipped one is given by its name.
        policy_factory: ``module:function`` that loads it; empty: the built-in policy's loader.
        policy_device: torch device.
        joint_names: of the robot.
        cameras: by name.
        rate: control ticks per second.
        commands_topic: of the other controller in shadow mode; empty: the measured positions count as commanded.
        safeguard_node: name of the safeguard node.
        session: everything else.
    """

    policy_path: Path
    policy_factory: str
    policy_device: str
    joint_names: tuple[str, ...]
    cameras: Mapping[str, CameraParameters]
    rate: float
    commands_topic: str
    safeguard_node: str
    session: SessionConfig


def declarations(given: Mapping[str, Any]) -> tuple[Declaration, ...]:
    """Every parameter of a policy node for which ``given`` holds: cameras and objectives bring parameters of their own.

    Raises:
        ConfigurationError: ``cameras`` is not a list of names.
    """
    return (*_of_policy_and_robot(), *_of_cameras(given.get("cameras", ("scene", "wrist"))), *_of_control(), *_of_adaptation(given))


def node_parameters(values: Mapping[str, Any]) -> NodeParameters:
    """Turns the values of all declared parameters, by name, into what a session is built from.

    Raises:
        ConfigurationError: the path of the policy leads nowhere, or two values contradict each other.
    """
    path = expanded_path(values["policy.path"]) if values["policy.path"] else SHIPPED_POLICY
    return NodeParameters(
        policy_path=SHIPPED.get(str(path), path),
        policy_factory=values["policy.factory"],
        policy_device=values["policy.device"],
        joint_names=tuple(values["robot.joint_names"]),
        cameras={
            name: CameraParameters(**{field.name: values[f"camera.{name}.{field.name}"] for field in fields(CameraParameters)})
            for name in values["cameras"]
        },
        rate=values["control.rate"],
        commands_topic=values["control.commands_topic"],
        safeguard_node=values["safeguard_node"],
        session=SessionConfig(
            limits=_joint_limits(values),
            adaptation=adaptation_config(values),
            **{name: values[f"control.{name}"] for name in _OF_THE_SESSION},
        ),
    )


def adaptation_config(values: Mapping[str, Any]) -> AdaptationConfig:
    """The part of ``values`` that tunes the adaptation.

    Raises:
        ConfigurationError: two values contradict each other.
    """
    numbers = {each.name: values[f"{ADAPTATION}{each.name}"] for each in parameter_ranges()}
    objectives = {name.removeprefix(OBJECTIVES): weight for name, weight in values.items() if name.startswith(OBJECTIVES)}
    return validated(AdaptationConfig, {**numbers, "objectives": objectives}, source="parameters adaptation.*")


def _of_policy_and_robot() -> Iterable[Declaration]:
    yield _text("policy.path", "", f"checkpoint (safetensors), or a shipped one: {', '.join(SHIPPED)}; empty: the first")
    yield _text("policy.factory", "", "module:function that loads the checkpoint; empty: the built-in policy's loader")
    yield _text("policy.device", "cpu", "torch device: cpu or cuda")
    yield _text("safeguard_node", "safeguard", "name of the safeguard node whose state is obeyed")
    yield Declaration(
        name="robot.joint_names", kind="string_array", default=None, description="joints of the robot, as in its joint states"
    )
    for name, meaning in _LIMITS.items():
        yield Declaration(name=f"robot.{name}", kind="double_array", default=None, description=meaning)


def _of_cameras(names: object) -> Iterable[Declaration]:
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise ConfigurationError(f"parameter 'cameras' is {names!r}; give a list of names")
    yield Declaration(
        name="cameras",
        kind="string_array",
        default=tuple(names),
        description="names of the cameras, those of the policy's specification at least",
    )
    for name in names:
        yield _text(f"camera.{name}.topic", f"camera/{name}/image_raw", "topic of the camera's images")
        yield _switch(f"camera.{name}.compressed", False, "images are sensor_msgs/CompressedImage")
        yield _number(f"camera.{name}.rate", 30.0, (0.1, 1000.0), "nominal rate [Hz]")


def _of_control() -> Iterable[Declaration]:
    defaults: dict[str, Any] = {field.name: field.default for field in fields(SessionConfig)}
    yield _number("control.rate", 30.0, (1.0, 1000.0), "control ticks per second; the policy's period must match [Hz]")
    for name, low, high, meaning in (
        ("tolerance", 0.001, 1.0, "time by which sensor streams may differ [s]"),
        ("max_camera_age", 0.01, 10.0, "an older frame leads to hold [s]"),
        ("max_joint_age", 0.01, 10.0, "an older joint state leads to hold [s]"),
        ("max_inference_time", 0.01, 60.0, "an inference that takes longer leads to hold [s]"),
        ("request_at", 0, 1000, "the next chunk is asked for once no more steps than this remain"),
        ("blend_steps", 0, 1000, "steps over which a seam between chunks is spread"),
    ):
        yield _number(f"control.{name}", defaults[name], (low, high), meaning)
    yield _switch("control.open_loop", defaults["open_loop"], "one chunk for each instruction, played whole; then the position is held")
    yield _switch("control.shadow", defaults["shadow"], "compute and announce chunks beside another controller, and command nothing")
    yield _text(
        "control.commands_topic", "joint_trajectory", "commands (JointTrajectory) to the robot in shadow mode; empty: what is measured"
    )
    yield _number(
        "control.discovery_time", 4.0, (0.0, 60.0), "since the node was created, in which others that command the robot are looked for [s]"
    )
    yield _switch("control.stepped", False, "tick at each message on /clock and acknowledge everything taken, for a stepped replay")


def _of_adaptation(given: Mapping[str, Any]) -> Iterable[Declaration]:
    defaults = AdaptationConfig()
    yield _switch("adaptation.enabled", True, "adapt when the safeguard permits it", live=True)
    yield _text("adaptation.journal_directory", "", "folder for a journal of each run; empty: none")
    yield _text(
        "adaptation.recovery_directory",
        "",
        "folder of this node alone for coming back after a crash: a marker of the run and its last trusted weights; empty: none",
    )
    yield _text("adaptation.initial_weights", "", "snapshot to begin each episode with; empty: the base policy")
    yield _text("adaptation.save_path", "fast_weights.safetensors", "where ~/adaptation/save writes")
    # What a policy can reconstruct is its own affair: the objectives that are given replace the default ones.
    names = [name.removeprefix(OBJECTIVES) for name in given if name.startswith(OBJECTIVES)]
    for name in names or defaults.objectives:
        yield _number(f"{OBJECTIVES}{name}", defaults.objectives.get(name, 1.0), (0.0, 100.0), f"weight of the objective '{name}'")
    for each in parameter_ranges():
        limits = (each.minimum, each.maximum)
        yield _number(f"{ADAPTATION}{each.name}", getattr(defaults, each.name), limits, each.description, live=not each.fixed)


def _text(name: str, default: str, description: str) -> Declaration:
    return Declaration(name=name, kind="string", default=default, description=description)


def _switch(name: str, default: bool, description: str, *, live: bool = False) -> Declaration:
    return Declaration(name=name, kind="bool", default=default, description=description, live=live)


def _number(name: str, default: float, limits: tuple[float, float], description: str, *, live: bool = False) -> Declaration:
    low, high = limits
    kind: Kind = "integer" if isinstance(default, int) else "double"
    return Declaration(name=name, kind=kind, default=default, description=description, minimum=low, maximum=high, live=live)


def _joint_limits(values: Mapping[str, Any]) -> JointLimitsConfig:
    names = values["robot.joint_names"]
    columns = {limit: values[f"robot.{limit}"] for limit in _LIMITS}
    for limit, column in columns.items():
        if len(column) != len(names):
            raise ConfigurationError(
                f"robot.{limit} has {len(column)} values for {len(names)} joints in robot.joint_names; give one for each"
            )
    joints = {name: {limit: column[index] for limit, column in columns.items()} for index, name in enumerate(names)}
    return validated(JointLimitsConfig, {"joint_limits": joints}, source="parameters robot.*")
