"""The proposal as a file of rules: the shipped file with its comments, and other limits."""

import re
from collections.abc import Sequence
from pathlib import Path

import yaml

from ttt_ros.configuration import validated
from ttt_ros.errors import ConfigurationError
from ttt_ros.safeguard.configuration import SafeguardConfig

_RULE = re.compile(r"^\s*-\s*\{.*\bsignal:")


def check_one_rule_a_line(path: Path, rules: SafeguardConfig) -> None:
    """Raises ConfigurationError unless each of the ``rules`` of the file at ``path`` stands on a line of its own, from its signal on."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if _RULE.match(line)]
    complete = all(_number("limit").search(line) and _number("clear_limit").search(line) for line in lines)
    if len(lines) != len(rules.rules) or not complete:
        raise ConfigurationError(
            f"{path} has {len(lines)} lines that begin with '- {{signal:' for {len(rules.rules)} rules; write each rule on one line, with "
            "limit and clear_limit, so that its limits can be replaced"
        )


def with_limits(text: str, limits: Sequence[tuple[float, float]], *, heading: str) -> str:
    """The rules file ``text`` with another limit and clear_limit in each rule, in their order; ``heading`` stands above as a comment.

    Raises:
        ConfigurationError: the limits contradict each other.
    """
    left = iter(limits)
    lines = [_replaced(line, *next(left)) if _RULE.match(line) else line for line in text.splitlines()]
    proposal = "\n".join((*(f"# {line}" for line in heading.splitlines()), *lines)) + "\n"
    validated(SafeguardConfig, yaml.safe_load(proposal), source="the proposed rules")
    return proposal


def _replaced(line: str, limit: float, clear_limit: float) -> str:
    for key, value in (("limit", limit), ("clear_limit", clear_limit)):
        line = _number(key).sub(rf"\g<1>{_written(value)}", line)
    return line


def _number(key: str) -> re.Pattern[str]:
    return re.compile(rf"((?<!_)\b{key}:\s*)[-+0-9.eE]+")


def _written(value: float) -> str:
    """With a point, as YAML wants a float to have it."""
    written = f"{value:.6g}"
    return f"{value:.1f}" if "." not in written and "e" not in written else written
