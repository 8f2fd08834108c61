"""The whole result as JSON, held to the schema that lies beside this file."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
from pydantic import TypeAdapter

from ttt_ros import configuration
from ttt_ros.errors import ConfigurationError, RecordingError
from ttt_ros.evaluation.bags.examination import Examination
from ttt_ros.evaluation.bags.figures import Findings
from ttt_ros.evaluation.bags.verdict import Verdict
from ttt_ros.evaluation.whole_file import write_whole

SCHEMA = 2
"""Version of the layout of the file; raised when a field is added, removed or changes its meaning."""

SCHEMA_FILE = "schema.json"


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class Results:
    """Everything that came out.

    Attributes:
        schema: version of the layout.
        passed: the verdict.
        verdict: line by line.
        findings: every figure.
        examinations: what each bag says about itself.
        failures: bags and arms that could not be evaluated, in words.
    """

    schema: int
    passed: bool
    verdict: Verdict
    findings: Findings
    examinations: tuple[Examination, ...]
    failures: tuple[str, ...]


def results(findings: Findings, verdict: Verdict, examinations: Sequence[Examination], *, failures: Sequence[str] = ()) -> Results:
    """Puts everything together."""
    return Results(
        schema=SCHEMA,
        passed=verdict.passed,
        verdict=verdict,
        findings=findings,
        examinations=tuple(examinations),
        failures=tuple(failures),
    )


def schema() -> dict[str, Any]:
    """The JSON schema of a ``Results``, from its types; without the docstrings, which change more often than the layout."""
    found = TypeAdapter(Results).json_schema(mode="serialization")
    for definition in (found, *found["$defs"].values()):
        definition.pop("description", None)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found}


def shipped_schema() -> dict[str, Any]:
    """The JSON schema in the package, which other programs may rely on."""
    content: dict[str, Any] = json.loads(resources.files(__package__).joinpath(SCHEMA_FILE).read_text(encoding="utf-8"))
    return content


def write_results(path: Path, found: Results) -> None:
    """Writes ``found`` as JSON; the file appears whole or not at all.

    Raises:
        RecordingError: a figure is not finite, the values do not fit the schema, or the file cannot be written.
    """
    try:
        text = json.dumps(asdict(found), indent=1, allow_nan=False, default=str) + "\n"
        jsonschema.validate(json.loads(text), shipped_schema())
    except ValueError:
        raise RecordingError(f"a figure for {path} is not finite: the policy's predictions or actions diverged") from None
    except jsonschema.ValidationError as error:
        where = ".".join(str(part) for part in error.absolute_path)
        raise RecordingError(f"{path}: {where} does not fit the schema: {error.message}; correct what computed it") from None
    write_whole(path, text)


def read_results(path: Path) -> Results:
    """Reads what ``write_results`` wrote.

    Raises:
        RecordingError: the file cannot be read, or does not fit.
    """
    try:
        return configuration.validated(Results, json.loads(path.read_text(encoding="utf-8")), source=str(path))
    except OSError as error:
        raise RecordingError(f"cannot read {path}: {error.strerror}; check the path") from None
    except (ValueError, ConfigurationError) as error:
        raise RecordingError(f"{path} holds no results of schema {SCHEMA}: {error}; evaluate again") from None
