"""The parameters of the policy node as ROS parameters; what they are and mean is in ``ttt_ros.control.node_parameters``."""

from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from rclpy.node import Node
from rclpy.parameter import Parameter

from ttt_ros.adaptation.configuration import AdaptationConfig
from ttt_ros.control import node_parameters
from ttt_ros.control.node_parameters import ADAPTATION, Declaration, NodeParameters, declarations
from ttt_ros.nodes.parameters import declare, optional_path, value


def declare_parameters(node: Node) -> None:
    """Declares all parameters of the policy node.

    Raises:
        ConfigurationError: ``cameras`` is not a list of names.
    """
    for each in _declared(node):
        default = Parameter.Type[each.kind.upper()] if each.default is None else each.default
        declare(node, each.name, default, each.description, minimum=each.minimum, maximum=each.maximum, read_only=not each.live)


def policy_parameters(node: Node) -> NodeParameters:
    """What the parameters say.

    Raises:
        ConfigurationError: a value is missing or contradicts another.
    """
    return node_parameters.node_parameters({each.name: value(node, each.name) for each in _declared(node)})


def adaptation_config(node: Node, changes: Mapping[str, object] | None = None) -> AdaptationConfig:
    """The adaptation parameters, with ``changes`` (by full parameter name) over what is set.

    Raises:
        ConfigurationError: two values contradict each other.
    """
    values = {each.name: value(node, each.name) for each in _declared(node) if each.name.startswith(ADAPTATION)}
    return node_parameters.adaptation_config({**values, **(changes or {})})


def journal_path(node: Node) -> Path | None:
    """A new file in the journal folder, named after the moment, so that a node that was respawned writes one of its own."""
    directory = optional_path(node, "adaptation.journal_directory")
    return None if directory is None else directory / f"{datetime.now(timezone.utc):%Y%m%dT%H%M%S.%fZ}.jsonl"


def _declared(node: Node) -> tuple[Declaration, ...]:
    given: Mapping[str, Any] = {name: parameter.value for name, parameter in node._parameter_overrides.items()}
    return declarations(given)
