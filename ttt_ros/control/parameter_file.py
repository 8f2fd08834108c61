"""Reading the parameter file of a policy node without ROS, to the same result as the node itself."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from ttt_ros.configuration import read_yaml
from ttt_ros.control.node_parameters import Declaration, Kind, NodeParameters, declarations, node_parameters
from ttt_ros.errors import ConfigurationError

EVERY_NODE = "/**"
AUTOMATIC = ("use_sim_time", "start_type_description_service", "qos_overrides.")
"""Beginnings of the parameters that every ROS node has by itself."""

MAX_STRING = 4096
"""Characters of a string parameter; bounds what a parameter file or a peer can make a node store."""

MAX_VALUES = 1000
"""Values of an array parameter; far more than a robot has joints or cameras."""

_TYPES: Mapping[Kind, type] = {"bool": bool, "integer": int, "double": float, "string": str, "string_array": str, "double_array": float}


class _Loader(yaml.SafeLoader):
    """Reads 1e-3 as the number that it is to ROS; PyYAML follows YAML 1.1, which wants 1.0e-3 with a point and a sign."""


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789"))


def load_parameter_file(path: Path, *, node: str = "policy") -> NodeParameters:
    """Reads what a policy node called ``node`` would be started with.

    Raises:
        ConfigurationError: the file is missing or not a parameter file, a key is unknown, a parameter that must be given is not, or a
            value has the wrong type, is out of its range or contradicts another.
    """
    given = _given(path, node=node)
    declared = {each.name: each for each in declarations(given)}
    unknown = sorted(name for name in given if name not in declared and not name.startswith(AUTOMATIC))
    if unknown:
        raise ConfigurationError(f"{path}: unknown parameter {', '.join(unknown)}; correct the file (known: {', '.join(sorted(declared))})")
    return node_parameters({name: _value(each, given, path=path) for name, each in declared.items()})


def check_lengths(name: str, value: object) -> None:
    """Checks that the parameter ``name`` does not hold more, or longer strings, than a node needs.

    Raises:
        ConfigurationError: naming the length and the limit.
    """
    values = value if isinstance(value, list | tuple) else [value]
    if len(values) > MAX_VALUES:
        raise ConfigurationError(f"parameter '{name}' has {len(values)} values, the limit is {MAX_VALUES}; shorten it")
    longest = max((len(each) for each in values if isinstance(each, str)), default=0)
    if longest > MAX_STRING:
        raise ConfigurationError(f"parameter '{name}' has {longest} characters, the limit is {MAX_STRING}; shorten it")


def _given(path: Path, *, node: str) -> dict[str, Any]:
    """The values that the file gives, by name; what is written for the node itself wins over what is written for every node."""
    contents = read_yaml(path, loader=_Loader)
    sections = contents if isinstance(contents, dict) else {}
    of_the_node = [name for name in sections if isinstance(name, str) and name.rpartition("/")[2] == node]
    values: dict[str, Any] = {}
    for section in (EVERY_NODE, *of_the_node):
        values |= _flattened(sections.get(section), path=path, name=section)
    if not values:
        raise ConfigurationError(f"{path} has no parameters for a node '{node}'; begin with '{EVERY_NODE}:' and 'ros__parameters:'")
    return values


def _flattened(section: object, *, path: Path, name: str) -> dict[str, Any]:
    if section is None:
        return {}
    values = section.get("ros__parameters") if isinstance(section, dict) else None
    if not isinstance(values, dict):
        raise ConfigurationError(f"{path}: '{name}' is followed by no 'ros__parameters:' with values; mend the file")
    return dict(_leaves(values, prefix=""))


def _leaves(values: Mapping[object, Any], *, prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _leaves(value, prefix=f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _value(declared: Declaration, given: Mapping[str, Any], *, path: Path) -> Any:
    """The value in force of one parameter.

    Raises:
        ConfigurationError: it must be given and is not, has another type, or is out of its range.
    """
    value = given.get(declared.name, declared.default)
    if value is None:
        raise ConfigurationError(f"{path}: parameter '{declared.name}' is not set; give it ({declared.description})")
    array = declared.kind.endswith("_array")
    parts = value if array and isinstance(value, list | tuple) else [value]
    if array != isinstance(value, list | tuple) or any(type(part) is not _TYPES[declared.kind] for part in parts):
        hint = "; a double is written with a point, such as 1.0" if declared.kind.startswith("double") else ""
        raise ConfigurationError(f"{path}: parameter '{declared.name}' is {value!r}, which is no {declared.kind}{hint}")
    check_lengths(declared.name, value)
    if declared.minimum is not None and declared.maximum is not None and not declared.minimum <= value <= declared.maximum:
        raise ConfigurationError(
            f"{path}: parameter '{declared.name}' is {value!r}, outside {declared.minimum:g} to {declared.maximum:g}; correct it"
        )
    return list(value) if array else value
