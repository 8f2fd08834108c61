"""Reading YAML files into frozen dataclasses, refusing unknown keys and values of the wrong type."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

from ttt_ros.errors import ConfigurationError

Config = TypeVar("Config")

MAX_BYTES = 256 * 1024
"""Of a YAML file: fifty times the longest that comes with the package, and read in a few seconds."""

MAX_NODES = 100_000
"""Values in a YAML file once its aliases are written out."""

_MAX_PLAIN = 100
"""Characters of a number or a date; Python takes ever longer to read longer ones."""

_MAX_PROBLEMS = 20
_MAX_SHOWN = 200
"""Characters of a wrong value that an error message repeats."""

_STRING = "tag:yaml.org,2002:str"

strict = with_config(ConfigDict(extra="forbid", allow_inf_nan=False))
"""Class decorator for a configuration dataclass read from a file: unknown keys, infinities and NaN are refused."""


def validated(kind: type[Config], values: object, *, source: str) -> Config:
    """Builds a ``kind`` from plain values.

    Raises:
        ConfigurationError: naming ``source``, each offending key, its value and what was expected.
    """
    try:
        return TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        raise ConfigurationError(f"{source}: {_problems(kind, error)}") from None


def read_yaml(path: Path, *, loader: type[yaml.SafeLoader] = yaml.SafeLoader, max_bytes: int = MAX_BYTES) -> Any:
    """Reads plain values from the YAML file at ``path``, however the file was made.

    Raises:
        ConfigurationError: the file is missing, too large, not YAML, or holds aliases that would write out to too many values.
    """
    try:
        with path.open("rb") as file:
            content = file.read(max_bytes + 1)
        if len(content) > max_bytes:
            raise ConfigurationError(f"{path} has more than {max_bytes} bytes; it is hardly a configuration, check the path")
        reading = loader(content.decode("utf-8"))
        try:
            root = reading.get_single_node()
            _check_nodes(path, root)
            return None if root is None else reading.construct_document(root)
        finally:
            reading.dispose()
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}; check the path") from None
    except ConfigurationError:
        raise
    # Everything: PyYAML answers values that are none of their type, such as !!float "", with any error, and deep nesting likewise.
    except Exception as error:
        raise ConfigurationError(f"{path} is not valid YAML: {str(error) or type(error).__name__}") from None


def load_yaml(path: Path, kind: type[Config]) -> Config:
    """Reads the YAML file at ``path`` into a ``kind``.

    Raises:
        ConfigurationError: as ``read_yaml``, or the file does not fit ``kind``.
    """
    return validated(kind, read_yaml(path), source=str(path))


def expanded_path(text: str) -> Path:
    """The path in ``text``, with ``~`` for the home folder.

    Raises:
        ConfigurationError: nobody of that name has a home folder, or no file can be named so.
    """
    if "\0" in text:
        raise ConfigurationError(f"the path {text[:_MAX_SHOWN]!r} holds a zero character, which no file has in its name; correct it")
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise ConfigurationError(f"the path {text[:_MAX_SHOWN]!r} leads nowhere: {error}; write the folder out") from None


def _check_nodes(path: Path, root: yaml.Node | None) -> None:
    """Counts what the file means once every alias is replaced by what it stands for; a few lines of aliases of aliases mean billions."""
    sizes: dict[int, int] = {}
    unfinished: set[int] = set()

    def size(node: yaml.Node) -> int:
        if id(node) in unfinished:
            raise ConfigurationError(f"{path} holds an alias to a value within itself; write out what is meant")
        if id(node) not in sizes:
            unfinished.add(id(node))
            sizes[id(node)] = 1 + sum(size(part) for part in _parts(path, node))
            unfinished.remove(id(node))
        return sizes[id(node)]

    count = 0 if root is None else size(root)
    if count > MAX_NODES:
        raise ConfigurationError(f"{path} holds more than {MAX_NODES} values, aliases written out; it is hardly a configuration")


def _parts(path: Path, node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        for pair in node.value:
            yield from pair
    elif isinstance(node, yaml.SequenceNode):
        yield from node.value
    elif node.tag != _STRING and len(node.value) > _MAX_PLAIN:
        raise ConfigurationError(f"{path} holds a number of {len(node.value)} characters, {node.value[:20]}...; shorten or quote it")


def _problems(kind: type[Any], error: ValidationError) -> str:
    known = ", ".join(field.name for field in fields(kind)) if is_dataclass(kind) else ""
    problems = []
    found = error.errors(include_url=False)
    for problem in found[:_MAX_PROBLEMS]:
        key = ".".join(str(part) for part in problem["loc"]) or "(whole file)"
        if problem["type"] == "unexpected_keyword_argument":
            problems.append(f"unknown key '{key}' (known at the top level: {known})")
        elif problem["type"] == "missing":
            problems.append(f"key '{key}' is missing")
        else:
            problems.append(f"'{key}' = {_shown(problem['input'])}: {problem['msg']}")
    if len(found) > _MAX_PROBLEMS:
        problems.append(f"and {len(found) - _MAX_PROBLEMS} more")
    return "; ".join(problems)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."
