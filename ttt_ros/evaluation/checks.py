"""The checks that decide whether a demonstration passed.

They ask whether the loop ran as it must. Whether adapting helped is left to the figures: one run could not prove it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ttt_ros import configuration
from ttt_ros.evaluation.run_record import RunRecord

MIN_TICKS_MET = 0.99
"""Least share of control ticks that must be met."""

MIN_UPDATES_PER_GOAL = 0.9
"""Least number of updates attempted per goal that ended while adaptation was permitted; a hand that was not seen is none to learn from."""


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class Check:
    """One check: its ``name``, whether it ``passed``, the ``figure`` found and the ``limit`` it was held to, in words."""

    name: str
    passed: bool
    figure: str
    limit: str


def demo_checks(runs: Sequence[RunRecord]) -> tuple[Check, ...]:
    """All checks of a demonstration; what was not recorded has not passed."""
    checks = [both_arms_on_one_seed(runs)]
    for run in runs:
        checks += [all_nodes_came_up(run), control_ticks_met(run), one_chunk_per_instruction(run)]
        if run.arm == "adapting":
            checks.append(updates_attempted(run))
        checks.append(all_nodes_shut_down_cleanly(run))
    return tuple(checks)


def exit_code(checks: Sequence[Check]) -> int:
    """Process exit code: 0 if there are checks and all passed, else 1."""
    return 0 if checks and all(check.passed for check in checks) else 1


def both_arms_on_one_seed(runs: Sequence[RunRecord]) -> Check:
    """The frozen and the adapting policy each ran once, on the same seed; else they cannot be compared."""
    arms = sorted(run.arm for run in runs)
    return Check(
        name="both arms ran on one seed",
        passed=arms == ["adapting", "frozen"] and len({run.seed for run in runs}) == 1,
        figure=", ".join(f"{run.arm} on seed {run.seed}" for run in runs) or "no run recorded",
        limit="frozen and adapting, same seed",
    )


def all_nodes_came_up(run: RunRecord) -> Check:
    """Every node reached its active state."""
    up = [node for node in run.nodes if node.came_up]
    missing = [node.name for node in run.nodes if not node.came_up]
    return Check(
        name=f"{run.arm}: all nodes came up",
        passed=bool(run.nodes) and not missing,
        figure=_of_all(len(up), len(run.nodes), "nodes", missing),
        limit="all",
    )


def control_ticks_met(run: RunRecord) -> Check:
    """At least 99 % of the control ticks that were due were met."""
    control = run.control
    share = control.ticks_met / control.ticks_due if control.ticks_due else 0.0
    return Check(
        name=f"{run.arm}: control ticks met",
        passed=share >= MIN_TICKS_MET,
        figure=f"{100 * share:.2f} % ({control.ticks_met} of {control.ticks_due})" if control.ticks_due else "no tick was due",
        limit=f"at least {100 * MIN_TICKS_MET:.0f} %",
    )


def one_chunk_per_instruction(run: RunRecord) -> Check:
    """The policy decided once for each instruction: a second look at its own hand would make the task another one."""
    return Check(
        name=f"{run.arm}: one chunk for each instruction",
        passed=0 < run.instructions == len(run.chunks),
        figure=f"{len(run.chunks)} chunks for {run.instructions} instructions",
        limit="as many chunks as instructions",
    )


def updates_attempted(run: RunRecord) -> Check:
    """For nearly every goal that ended while adaptation was permitted, an update was attempted."""
    rate = run.windows_attempted / run.updates_due if run.updates_due else 0.0
    return Check(
        name=f"{run.arm}: updates attempted per goal",
        passed=rate >= MIN_UPDATES_PER_GOAL,
        figure=f"{rate:.2f} ({run.windows_attempted} for {run.updates_due} goals)" if run.updates_due else "no goal ended with permit",
        limit=f"at least {MIN_UPDATES_PER_GOAL:g}",
    )


def all_nodes_shut_down_cleanly(run: RunRecord) -> Check:
    """Every node ran its shutdown transition and ended by itself."""
    clean = [node for node in run.nodes if node.shut_down_cleanly]
    others = [f"{node.name} (exit code {node.exit_code})" for node in run.nodes if not node.shut_down_cleanly]
    return Check(
        name=f"{run.arm}: all nodes shut down cleanly",
        passed=bool(run.nodes) and not others,
        figure=_of_all(len(clean), len(run.nodes), "nodes", others),
        limit="all",
    )


def _of_all(count: int, total: int, what: str, missing: Sequence[str]) -> str:
    if not total:
        return f"no {what} recorded"
    return f"{count} of {total} {what}" + (f", not {', '.join(missing)}" if missing else "")
