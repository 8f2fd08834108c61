"""Declaring parameters with descriptors and ranges, and refusing those that a node does not know."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node
from rclpy.parameter import Parameter

from ttt_ros.configuration import expanded_path
from ttt_ros.control.parameter_file import AUTOMATIC, check_lengths
from ttt_ros.errors import ConfigurationError


def declare(
    node: Node,
    name: str,
    default: Any,
    description: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    read_only: bool = True,
) -> None:
    """Declares one parameter; ``default`` may be a ``Parameter.Type`` for a parameter that must be given.

    ``read_only`` refuses changes after start; a number that is not read-only must state its range.
    """
    descriptor = ParameterDescriptor(description=description, read_only=read_only)
    if minimum is not None and maximum is not None:
        if isinstance(default, int):
            descriptor.integer_range = [IntegerRange(from_value=int(minimum), to_value=int(maximum), step=1)]
        else:
            descriptor.floating_point_range = [FloatingPointRange(from_value=float(minimum), to_value=float(maximum), step=0.0)]
    node.declare_parameter(name, default, descriptor)


def value(node: Node, name: str) -> Any:
    """Reads a declared parameter.

    Raises:
        ConfigurationError: the parameter has no value, or one that is too long.
    """
    parameter = node.get_parameter_or(name, Parameter(name))
    if parameter.type_ == Parameter.Type.NOT_SET:
        raise ConfigurationError(f"parameter '{name}' of {node.get_fully_qualified_name()} is not set; give it in the parameter file")
    given = list(parameter.value) if parameter.type_.name.endswith("_ARRAY") else parameter.value
    check_lengths(name, given)
    return given


def optional_path(node: Node, name: str) -> Path | None:
    """Reads a string parameter as a path; an empty string is none.

    Raises:
        ConfigurationError: see ``value`` and ``expanded_path``.
    """
    text = value(node, name)
    return expanded_path(text) if text else None


def refuse_unknown(node: Node) -> None:
    """Refuses parameters that a file or the command line sets and the node did not declare; rclpy ignores them silently.

    Raises:
        ConfigurationError: naming each unknown key and the known ones.
    """
    given: Iterable[str] = node._parameter_overrides
    unknown = sorted(name for name in given if not node.has_parameter(name) and not name.startswith(AUTOMATIC))
    if unknown:
        known = ", ".join(sorted(name for name in node._parameters if not name.startswith(AUTOMATIC)))
        raise ConfigurationError(
            f"unknown parameter {', '.join(unknown)} for {node.get_fully_qualified_name()}; correct the parameter file (known: {known})"
        )
