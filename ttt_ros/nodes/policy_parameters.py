"""The parameters of the policy node, and what they are turned into."""

from dataclasses import dataclass, fields
from datetime import datetime, timezone
from pathlib import Path

from rclpy.node import Node
from rclpy.parameter import Parameter

from ttt_ros.adaptation.configuration import AdaptationConfig, parameter_ranges
from ttt_ros.configuration import validated
from ttt_ros.control.limits import JointLimitsConfig
from ttt_ros.control.session import SessionConfig
from ttt_ros.errors import ConfigurationError
from ttt_ros.nodes.parameters import declare, optional_path, value
from ttt_ros.policies.shipped import SHIPPED, SHIPPED_POLICY

ADAPTATION = "adaptation."

_OBJECTIVES = "adaptation.objectives"

_LIMITS = ("lower", "upper", "max_velocity", "max_step")


@dataclass(frozen=True, kw_only=True)
class CameraParameters:
    """Where a camera's images come from: ``topic``, compressed or not, and ``rate``, its nominal frames per second."""

    topic: str
    compressed: bool
    rate: float


def declare_parameters(node: Node) -> None:
    """Declares all parameters of the policy node."""
    declare(node, "policy.path", "", f"checkpoint (safetensors), or a shipped one: {', '.join(SHIPPED)}; empty: the first")
    declare(node, "policy.factory", "", "module:function that loads the checkpoint; empty: the built-in policy's loader")
    declare(node, "policy.device", "cpu", "torch device: cpu or cuda")
    declare(node, "safeguard_node", "safeguard", "name of the safeguard node whose state is obeyed")

    declare(node, "robot.joint_names", Parameter.Type.STRING_ARRAY, "joints of the robot, as in its joint states")
    for name, meaning in {
        "lower": "least position of each joint [rad]",
        "upper": "greatest position of each joint [rad]",
        "max_velocity": "greatest velocity of each joint [rad/s]",
        "max_step": "greatest step of each joint between two commands [rad]",
    }.items():
        declare(node, f"robot.{name}", Parameter.Type.DOUBLE_ARRAY, meaning)
    declare(node, "cameras", ["scene", "wrist"], "names of the cameras, those of the policy's specification at least")
    for camera in node.get_parameter("cameras").value:
        declare(node, f"camera.{camera}.topic", f"camera/{camera}/image_raw", "topic of the camera's images")
        declare(node, f"camera.{camera}.compressed", False, "images are sensor_msgs/CompressedImage")
        declare(node, f"camera.{camera}.rate", 30.0, "nominal rate [Hz]", minimum=0.1, maximum=1000.0)

    defaults = {field.name: field.default for field in fields(SessionConfig)}
    declare(node, "control.rate", 30.0, "control ticks per second; the policy's period must match [Hz]", minimum=1.0, maximum=1000.0)
    for name, low, high, meaning in (
        ("tolerance", 0.001, 1.0, "time by which sensor streams may differ [s]"),
        ("max_camera_age", 0.01, 10.0, "an older frame leads to hold [s]"),
        ("max_joint_age", 0.01, 10.0, "an older joint state leads to hold [s]"),
        ("max_inference_time", 0.01, 60.0, "an inference that takes longer leads to hold [s]"),
        ("request_at", 0, 1000, "the next chunk is asked for once no more steps than this remain"),
        ("blend_steps", 0, 1000, "steps over which a seam between chunks is spread"),
    ):
        declare(node, f"control.{name}", defaults[name], meaning, minimum=low, maximum=high)
    declare(node, "control.open_loop", defaults["open_loop"], "one chunk for each instruction, played whole; then the position is held")

    declare(node, "adaptation.enabled", True, "adapt when the safeguard permits it", read_only=False)
    declare(node, "adaptation.journal_directory", "", "folder for a journal of each run; empty: none")
    declare(node, "adaptation.initial_weights", "", "snapshot to begin each episode with; empty: the base policy")
    declare(node, "adaptation.save_path", "fast_weights.safetensors", "where ~/adaptation/save writes")
    defaults_of_adaptation = AdaptationConfig()
    for name in _objectives_given(node) or tuple(defaults_of_adaptation.objectives):
        weight = defaults_of_adaptation.objectives.get(name, 1.0)
        declare(node, f"{_OBJECTIVES}.{name}", weight, f"weight of the objective '{name}'", minimum=0.0, maximum=100.0)
    for each in parameter_ranges():
        declare(
            node,
            f"{ADAPTATION}{each.name}",
            getattr(defaults_of_adaptation, each.name),
            each.description,
            minimum=each.minimum,
            maximum=each.maximum,
            read_only=each.fixed,
        )


def adaptation_config(node: Node, changes: dict[str, object] | None = None) -> AdaptationConfig:
    """The adaptation parameters, with ``changes`` (by full parameter name) over what is set.

    Raises:
        ConfigurationError: two values contradict each other.
    """
    changes = changes or {}

    def current(name: str) -> object:
        return changes.get(name, value(node, name))

    values = {each.name: current(f"{ADAPTATION}{each.name}") for each in parameter_ranges()}
    values["objectives"] = {name: current(f"{_OBJECTIVES}.{name}") for name in node.get_parameters_by_prefix(_OBJECTIVES)}
    return validated(AdaptationConfig, values, source="parameters adaptation.*")


def session_config(node: Node) -> SessionConfig:
    """Everything that a session is built from.

    Raises:
        ConfigurationError: a value is missing or contradicts another.
    """
    control = ("tolerance", "max_camera_age", "max_joint_age", "max_inference_time", "request_at", "blend_steps", "open_loop")
    return SessionConfig(
        limits=_joint_limits(node), adaptation=adaptation_config(node), **{name: value(node, f"control.{name}") for name in control}
    )


def _objectives_given(node: Node) -> tuple[str, ...]:
    """Names of the objectives that a parameter file or the command line sets: what a policy can reconstruct is its own affair."""
    return tuple(name.removeprefix(f"{_OBJECTIVES}.") for name in node._parameter_overrides if name.startswith(f"{_OBJECTIVES}."))


def camera_parameters(node: Node) -> dict[str, CameraParameters]:
    """The cameras by name."""
    return {
        name: CameraParameters(
            topic=value(node, f"camera.{name}.topic"),
            compressed=value(node, f"camera.{name}.compressed"),
            rate=value(node, f"camera.{name}.rate"),
        )
        for name in value(node, "cameras")
    }


def policy_path(node: Node) -> Path:
    """The checkpoint to load."""
    path = optional_path(node, "policy.path") or SHIPPED_POLICY
    return SHIPPED.get(str(path), path)


def journal_path(node: Node) -> Path | None:
    """A new file in the journal folder, named after the moment, so that a node that was respawned writes one of its own."""
    directory = optional_path(node, "adaptation.journal_directory")
    return None if directory is None else directory / f"{datetime.now(timezone.utc):%Y%m%dT%H%M%S.%fZ}.jsonl"


def _joint_limits(node: Node) -> JointLimitsConfig:
    names = value(node, "robot.joint_names")
    columns = {limit: value(node, f"robot.{limit}") for limit in _LIMITS}
    for limit, column in columns.items():
        if len(column) != len(names):
            raise ConfigurationError(
                f"robot.{limit} has {len(column)} values for {len(names)} joints in robot.joint_names; give one for each"
            )
    joints = {name: {limit: column[index] for limit, column in columns.items()} for index, name in enumerate(names)}
    return validated(JointLimitsConfig, {"joint_limits": joints}, source="parameters robot.*")
