"""Reading YAML files into frozen dataclasses, refusing unknown keys and values of the wrong type."""

from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

from ttt_ros.errors import ConfigurationError

Config = TypeVar("Config")

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


def load_yaml(path: Path, kind: type[Config]) -> Config:
    """Reads the YAML file at ``path`` into a ``kind``.

    Raises:
        ConfigurationError: the file is missing, is not YAML, or does not fit ``kind``.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}; check the path") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is not valid YAML: {error}") from None
    return validated(kind, values, source=str(path))


def _problems(kind: type[Any], error: ValidationError) -> str:
    known = ", ".join(field.name for field in fields(kind)) if is_dataclass(kind) else ""
    problems = []
    for problem in error.errors(include_url=False):
        key = ".".join(str(part) for part in problem["loc"]) or "(whole file)"
        if problem["type"] == "unexpected_keyword_argument":
            problems.append(f"unknown key '{key}' (known at the top level: {known})")
        elif problem["type"] == "missing":
            problems.append(f"key '{key}' is missing")
        else:
            problems.append(f"'{key}' = {problem['input']!r}: {problem['msg']}")
    return "; ".join(problems)
