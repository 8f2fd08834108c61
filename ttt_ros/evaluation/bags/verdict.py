"""The verdict: whether the bags, the policy and its adapting keep to the limits, line by line."""

from collections.abc import Sequence
from dataclasses import dataclass

from ttt_ros import configuration
from ttt_ros.evaluation.bags import adaptation_lines, input_lines
from ttt_ros.evaluation.bags.examination import Examination
from ttt_ros.evaluation.bags.figures import Findings
from ttt_ros.evaluation.bags.line import Line
from ttt_ros.evaluation.bags.thresholds import Thresholds

PASSED, FAILED = 0, 1
"""Exit codes; 2 is that of an evaluation that did not come to a verdict."""


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class Verdict:
    """All lines, and the limits that they were held to."""

    lines: tuple[Line, ...]
    thresholds: Thresholds

    @property
    def passed(self) -> bool:
        """Whether no line failed and at least one was judged."""
        judged = [line.passed for line in self.lines if line.passed is not None]
        return bool(judged) and all(judged)

    @property
    def failed(self) -> tuple[Line, ...]:
        """The lines that failed."""
        return tuple(line for line in self.lines if line.passed is False)

    @property
    def exit_code(self) -> int:
        """PASSED or FAILED."""
        return PASSED if self.passed else FAILED

    @property
    def sentence(self) -> str:
        """The verdict in a line."""
        judged = sum(line.passed is not None for line in self.lines)
        if self.passed:
            return f"Passed: all {judged} lines hold."
        return f"Failed: {len(self.failed)} of {judged} lines do not hold: {', '.join(line.name for line in self.failed)}."


def judged(findings: Findings, examinations: Sequence[Examination], thresholds: Thresholds, *, failures: Sequence[str] = ()) -> Verdict:
    """Judges an evaluation.

    Args:
        findings: its figures.
        examinations: of its bags.
        thresholds: the limits.
        failures: bags and arms that could not be evaluated, in words.
    """
    return Verdict(
        lines=(*input_lines.lines(findings, examinations, thresholds, failures), *adaptation_lines.lines(findings, thresholds)),
        thresholds=thresholds,
    )
