"""What the trials of faults must show, line by line."""

from collections.abc import Iterable, Sequence

from ttt_ros.evaluation.checks import Check
from ttt_ros.evaluation.faults.records import FaultRecord

APPLIED = "was applied"
"""In the words of a violation: a step that must never be."""

OUTSIDE = "outside the limits"
"""In the words of a violation: a command that must never be."""

SILENCES = ("safeguard_killed", "safeguard_stopped", "safeguard_restarted")
AGES = (
    "camera_stopped",
    "camera_wrong_size",
    "camera_wrong_encoding",
    "camera_in_the_past",
    "joints_stopped",
    "joints_nan",
    "joint_missing",
)


def targets(records: Sequence[FaultRecord]) -> tuple[Check, ...]:
    """One check for each target; those whose faults were not run are left out."""
    silences = [record for record in records if record.name in SILENCES]
    ages = [record for record in records if record.name in AGES]
    rollbacks = [record for record in records if record.name == "rollback"]
    return tuple(
        check
        for check in (
            _none("a step that is not finite or beyond a limit is never applied", records, APPLIED),
            _none("no command is outside the joint limits", records, OUTSIDE),
            _in_time("base within two heartbeats after the safeguard's last word", silences),
            _in_time("hold within a control period of an input's age limit", ages),
            _in_time("a version that was rolled back does not act in the next chunk", rollbacks),
            _in_time(
                "every other fault is reacted to in its time", [each for each in records if each not in (*silences, *ages, *rollbacks)]
            ),
            _went_on(records),
        )
        if check is not None
    )


def _none(name: str, records: Sequence[FaultRecord], words: str) -> Check | None:
    if not records:
        return None
    found = [f"{record.name}: {violation}" for record in records for violation in record.violations if words in violation]
    return Check(name=name, passed=not found, figure=f"{len(found)} in {_trials(records)} trials{_first(found)}", limit="0")


def _in_time(name: str, records: Sequence[FaultRecord]) -> Check | None:
    if not records:
        return None
    late = [f"{record.name}: {_worst(record)}" for record in records if record.in_time < len(record.trials)]
    met = sum(record.in_time for record in records)
    return Check(name=name, passed=not late, figure=f"{met} of {_trials(records)} trials{_first(late)}", limit="all")


def _went_on(records: Sequence[FaultRecord]) -> Check | None:
    if not records:
        return None
    stuck = [record.name for record in records if record.went_on < len(record.trials)]
    went_on = sum(record.went_on for record in records)
    return Check(
        name="after the fault the run goes on",
        passed=not stuck,
        figure=f"{went_on} of {_trials(records)} trials{_first(stuck)}",
        limit="all",
    )


def _trials(records: Iterable[FaultRecord]) -> int:
    return sum(len(record.trials) for record in records)


def _worst(record: FaultRecord) -> str:
    missing = len(record.trials) - len(record.reactions)
    slowest = "no reaction" if record.slowest is None else f"{record.slowest:.3f} s at most, allowed {record.deadline:.3f} s"
    return f"{slowest}, {missing} of {len(record.trials)} without one" if missing and record.slowest is not None else slowest


def _first(found: Sequence[str]) -> str:
    return f"; {'; '.join(found[:3])}{' and others' if len(found) > 3 else ''}" if found else ""
