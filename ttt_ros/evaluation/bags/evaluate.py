"""Bags in, a verdict out: examine every bag, play it to every arm, compare, judge, report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from ttt_ros.configuration import load_yaml
from ttt_ros.control.parameter_file import load_parameter_file
from ttt_ros.errors import ConfigurationError, RecordingError
from ttt_ros.evaluation.bags.configuration import BagEvaluationConfig
from ttt_ros.evaluation.bags.examination import Examination
from ttt_ros.evaluation.bags.figures import Findings
from ttt_ros.evaluation.bags.findings import findings
from ttt_ros.evaluation.bags.jobs import ArmJob, ExaminationJob, PolicyReference, Setting, name_of, run_arm, run_examination
from ttt_ros.evaluation.bags.record_file import kept, lines
from ttt_ros.evaluation.bags.records import ArmRecord
from ttt_ros.evaluation.bags.report import write_report
from ttt_ros.evaluation.bags.thresholds import Thresholds
from ttt_ros.evaluation.bags.verdict import Verdict, judged
from ttt_ros.evaluation.outcomes import successes
from ttt_ros.evaluation.whole_file import write_whole
from ttt_ros.evaluation.workers import Where
from ttt_ros.policies.checkpoint import check_specification
from ttt_ros.policies.factory import create_policy
from ttt_ros.policies.shipped import SHIPPED, SHIPPED_POLICY
from ttt_ros.policies.specification import PolicySpecification


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """What came out.

    Attributes:
        findings: all figures.
        verdict: pass or fail, line by line.
        failures: bags and arms that could not be evaluated, in words.
    """

    findings: Findings
    verdict: Verdict
    failures: tuple[str, ...]


def evaluate_bags(
    bags: Sequence[Path], *, policy: Path | None, config: Path, thresholds: Path | None, out: Path, where: Where, console: Console
) -> Evaluated:
    """Evaluates ``bags`` and writes records, journals, ``results.json``, ``report.html``, plots and signals into ``out``.

    What is in ``out`` already, of the same bag, policy and configuration, is not run again. A bag that cannot be evaluated is reported
    and stops no other.

    Args:
        policy: checkpoint, or the name of a shipped one; None: that of the node's parameters.
        config: YAML of a ``BagEvaluationConfig``.
        thresholds: YAML of ``Thresholds``; None: the defaults, which are those of config/evaluation.yaml.

    Raises:
        CheckpointError, ConfigurationError, SpecificationError: policy, parameters and configuration do not fit.
        RecordingError: no bag could be evaluated, two have one name, or ``out`` cannot be written.
    """
    names = [name_of(bag) for bag in bags]
    for name in names:
        if names.count(name) > 1:
            raise RecordingError(f"two bags are named {name}; rename one of them, the results go by it")
    limits = Thresholds() if thresholds is None else load_yaml(thresholds, Thresholds)
    setting, specification = _setting(policy, config)
    examinations, failures = _examined(bags, setting, out, where, console)
    records, more = _played(examinations, setting, out, where, console)
    failures += more
    complete = {bag: found for bag, found in records.items() if len(found) == len(setting.config.arms)}
    if not complete:
        raise RecordingError(f"no bag could be evaluated: {'; '.join(failures)}")
    seen = [examination for bag, examination in examinations.items() if name_of(bag) in complete]
    found = findings(seen, complete, config=setting.config, joints=specification.joint_names, period=specification.period)
    verdict = judged(found, seen, limits, failures=failures)
    write_report(found, verdict, seen, complete, out, failures=failures)
    return Evaluated(findings=found, verdict=verdict, failures=tuple(failures))


def _setting(policy: Path | None, config: Path) -> tuple[Setting, PolicySpecification]:
    loaded = load_yaml(config, BagEvaluationConfig)
    loaded = replace(loaded, parameters=config.parent / loaded.parameters)
    parameters = load_parameter_file(loaded.parameters)
    path = policy or parameters.policy_path or SHIPPED_POLICY
    path = SHIPPED.get(str(path), path)
    checked = create_policy(path, device=parameters.policy_device, factory=parameters.policy_factory)
    check_specification(
        checked.specification,
        joint_names=tuple(parameters.session.limits.joint_limits),
        cameras=tuple(loaded.streams.cameras),
        control_rate=parameters.rate,
    )
    unknown = sorted(set(loaded.streams.joints) - set(checked.specification.joint_names))
    if unknown:
        raise ConfigurationError(f"streams.joints names {', '.join(unknown)}, which the policy does not have; correct {config}")
    for arm in loaded.arms:
        arm.adaptation(parameters.session.adaptation)
    reference = PolicyReference(
        path=path.resolve(), factory=parameters.policy_factory, device=parameters.policy_device, checksum=checked.checksum
    )
    return Setting(policy=reference, session=parameters.session, config=loaded), checked.specification


def _examined(
    bags: Sequence[Path], setting: Setting, out: Path, where: Where, console: Console
) -> tuple[dict[Path, Examination], list[str]]:
    jobs = [ExaminationJob(bag=bag, setting=setting) for bag in bags]
    failures: list[str] = []
    examined = successes(
        where.run(run_examination, jobs),
        title="examining",
        already=0,
        left=len(jobs),
        name=lambda job: f"bag {name_of(job.bag)}",
        path=lambda job: out / "records" / name_of(job.bag) / "examination.json",
        out=out,
        failures=failures,
        console=console,
    )
    examinations = {job.bag: examination for job, examination in examined}
    return {bag: examinations[bag] for bag in bags if bag in examinations}, failures


def _played(
    examinations: Mapping[Path, Examination], setting: Setting, out: Path, where: Where, console: Console
) -> tuple[dict[str, list[ArmRecord]], list[str]]:
    """The record of every arm by name of the bag, in the order of the arms."""
    jobs = [
        ArmJob(bag=bag, arm=arm, inputs=examination.inputs, messages=sum(each.messages for each in examination.streams), setting=setting)
        for bag, examination in examinations.items()
        for arm in setting.config.arms
    ]
    records = {(job.bag, job.arm.name): record for job in jobs if (record := kept(_path(job, out), job.header)) is not None}
    left = [job for job in jobs if (job.bag, job.arm.name) not in records]
    failures: list[str] = []
    for job, played in successes(
        where.run(run_arm, left),
        title="arms",
        already=len(records),
        left=len(left),
        name=lambda job: f"bag {name_of(job.bag)}, arm {job.arm.name}",
        path=lambda job: _path(job, out),
        out=out,
        failures=failures,
        console=console,
    ):
        if played.journal:
            write_whole(_path(job, out, folder="journals"), played.journal.decode())
        write_whole(_path(job, out), "".join(lines(played.record)))
        records[job.bag, job.arm.name] = played.record
    by_bag = {name_of(bag): [records[bag, arm.name] for arm in setting.config.arms if (bag, arm.name) in records] for bag in examinations}
    return by_bag, failures


def _path(job: ArmJob, out: Path, *, folder: str = "records") -> Path:
    return out / folder / name_of(job.bag) / f"{job.arm.name}.jsonl"
