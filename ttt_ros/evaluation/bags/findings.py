"""From the records of all arms on all bags to the figures of the evaluation."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

import numpy as np

from ttt_ros.evaluation.bags.action_error import action_error, mean_error
from ttt_ros.evaluation.bags.configuration import AGAIN, FROZEN, BagEvaluationConfig
from ttt_ros.evaluation.bags.examination import Examination
from ttt_ros.evaluation.bags.figures import TENTHS, Adapting, ArmFigures, Change, Estimate, Findings, Modes, Noise, Outcome, Run
from ttt_ros.evaluation.bags.records import ArmRecord, ChunkRow, ModeRow, WindowRow
from ttt_ros.evaluation.bags.statistics import Paired, spread
from ttt_ros.evaluation.refusals import kind_of
from ttt_ros.evaluation.run_record import ModeLabel

WHOLE = "all bags"
_NANOSECONDS = 1e9
_AT_GREATEST = 0.999  # share of the greatest drift

Records = Mapping[str, Sequence[ArmRecord]]


def findings(
    examinations: Sequence[Examination], records: Records, *, config: BagEvaluationConfig, joints: Sequence[str], period: float
) -> Findings:
    """Computes every figure, of each bag and of all bags together.

    Args:
        examinations: of the bags, whose order the findings keep.
        records: of the arms, by bag; a bag without any is left out.
        config: what was asked for.
        joints: names, in the order of the policy.
        period: between two steps of a chunk, s.
    """
    order = [examination.bag for examination in examinations]
    ran = {bag: records[bag] for bag in sorted(records, key=lambda bag: order.index(bag) if bag in order else len(order)) if records[bag]}
    return Findings(
        arms=config.arms,
        joints=tuple(joints),
        period=period,
        block_seconds=config.block_seconds,
        seed=config.seed,
        whole=_outcome(WHOLE, ran, config, joints),
        bags=tuple(_outcome(bag, {bag: arms}, config, joints) for bag, arms in ran.items()),
        runs=tuple(_run(record) for arms in ran.values() for record in arms),
    )


def _outcome(name: str, records: Records, config: BagEvaluationConfig, joints: Sequence[str]) -> Outcome:
    bags = list(records.values())
    chunks = Paired[ChunkRow](
        [{record.header.arm.name: record.chunks for record in arms} for arms in bags], seconds=config.block_seconds, seed=config.seed
    )
    windows = Paired[WindowRow](
        [{record.header.arm.name: record.windows for record in arms} for arms in bags], seconds=config.block_seconds, seed=config.seed
    )
    ran = {arm.name: [each for arms in bags for each in arms if each.header.arm.name == arm.name] for arm in config.arms}
    ran = {arm: each for arm, each in ran.items() if each}
    changes = {arm: _change(arm, chunks, windows) for arm in ran if arm != FROZEN.name and FROZEN.name in ran}
    return Outcome(
        name=name,
        seconds=sum(_seconds(arms[0]) for arms in bags),
        blocks=chunks.blocks,
        arms={arm: _arm_figures(arm, each, chunks, windows, joints) for arm, each in ran.items()},
        changes=changes,
        noise=_noise(changes.get(AGAIN.name)),
    )


def _arm_figures(
    arm: str, records: Sequence[ArmRecord], chunks: Paired[ChunkRow], windows: Paired[WindowRow], joints: Sequence[str]
) -> ArmFigures:
    chunk_rows = [row for record in records for row in record.chunks]
    window_rows = [row for record in records for row in record.windows]
    (loss,) = windows.means(windows.column(arm, _loss)[:, None])
    return ArmFigures(
        chunks=len(chunk_rows),
        loss=loss,
        loss_by_tenth=_loss_by_tenth(records),
        action=action_error(arm, chunk_rows, chunks, joints),
        seam=spread([row.seam for row in chunk_rows]),
        roughness=spread([row.roughness for row in chunk_rows]),
        adapting=_adapting(records),
        modes=_modes(records),
        inference_seconds=spread([row.seconds for row in chunk_rows]),
        update_seconds=spread([row.seconds for row in window_rows]),
    )


def _change(arm: str, chunks: Paired[ChunkRow], windows: Paired[WindowRow]) -> Change:
    losses = windows.column(arm, _loss), windows.column(FROZEN.name, _loss)
    errors = chunks.column(arm, mean_error), chunks.column(FROZEN.name, mean_error)
    return Change(
        loss=windows.change(*losses),
        windows=int(np.isfinite(losses[0] + losses[1]).sum()),
        action=chunks.change(*errors),
        chunks=int(np.isfinite(errors[0] + errors[1]).sum()),
        blocks=windows.shared_blocks(*losses),
    )


def _noise(change: Change | None) -> Noise:
    return Noise(loss=_farthest(change.loss if change else None), action=_farthest(change.action if change else None))


def _farthest(estimate: Estimate | None) -> float | None:
    return None if estimate is None else max(abs(estimate.least), abs(estimate.most))


def _loss(row: WindowRow) -> float | None:
    return row.loss


def _loss_by_tenth(records: Sequence[ArmRecord]) -> tuple[float | None, ...]:
    parts: list[list[float]] = [[] for _ in range(TENTHS)]
    for record in records:
        length = max(1, record.end.end - record.end.start)
        for row in record.windows:
            if row.loss is not None:
                parts[int(np.clip(TENTHS * (row.stamp - record.end.start) / length, 0, TENTHS - 1))].append(row.loss)
    return tuple(float(np.mean(part)) if part else None for part in parts)


def _adapting(records: Sequence[ArmRecord]) -> Adapting:
    rows = [row for record in records for row in record.windows]
    last = [record.windows[-1].drift for record in records if record.windows]
    deviations = [row.action_deviation for row in rows if row.action_deviation is not None]
    return Adapting(
        windows=len(rows),
        committed=sum(row.committed for row in rows) / len(rows) if rows else None,
        refusals=_counted(row.reason for row in rows if not row.committed and row.reason),
        samples=sum(row.samples for row in rows),
        trimmed=sum(row.trimmed or 0 for row in rows),
        gradient_norm=spread([row.gradient_norm for row in rows]),
        update_norm=spread([row.update_norm for row in rows if row.committed]),
        drift_last=float(np.mean(last)) if last else None,
        drift_greatest=max((row.drift for row in rows), default=None),
        at_greatest=sum(_at_greatest(record.windows) for record in records) / len(rows) if rows else None,
        action_deviation=max(deviations, default=None),
    )


def _at_greatest(rows: Sequence[WindowRow]) -> int:
    greatest = max((row.drift for row in rows), default=0.0)
    return sum(row.drift >= _AT_GREATEST * greatest for row in rows) if greatest > 0 else 0


def _modes(records: Sequence[ArmRecord]) -> Modes:
    ticks = sum(record.end.ticks for record in records)
    seconds: Counter[ModeLabel] = Counter()
    for record in records:
        ends = [row.stamp for row in record.modes[1:]] + [record.end.end]
        for row, end in zip(record.modes, ends, strict=False):
            seconds[row.mode] += max(0, end - row.stamp)
    whole = sum(seconds.values())
    return Modes(
        ticks=ticks,
        held=sum(record.end.held for record in records) / ticks if ticks else None,
        reasons=_counted(row.reason for record in records for row in record.modes if row.mode == "hold" and row.reason),
        shares={mode: length / whole for mode, length in seconds.items()} if whole else {},
        changes=sum(_mode_changes(record.modes) for record in records),
        refused=_summed(record.end.refused for record in records),
        rejected=_summed(record.end.rejected for record in records),
    )


def _mode_changes(rows: Sequence[ModeRow]) -> int:
    return sum(before.mode != after.mode for before, after in pairwise(rows))


def _counted(reasons: Iterable[str]) -> dict[str, int]:
    return dict(Counter(kind_of(reason) for reason in reasons).most_common())


def _summed(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return dict(total.most_common())


def _run(record: ArmRecord) -> Run:
    header, end = record.header, record.end
    return Run(
        bag=header.bag,
        arm=header.arm.name,
        policy=header.policy,
        configuration=header.configuration,
        inputs=header.inputs,
        outputs=end.outputs,
        weights=end.weights,
        speed=_seconds(record) / end.seconds if end.seconds > 0 else None,
    )


def _seconds(record: ArmRecord) -> float:
    return max(0, record.end.end - record.end.start) / _NANOSECONDS
