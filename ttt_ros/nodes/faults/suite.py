"""Trials of faults, one after the other on one running system, which is started anew where its protections change."""

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType

import rclpy
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import get_rmw_implementation_identifier
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from ttt_ros.errors import ConfigurationError, RecordingError
from ttt_ros.evaluation.faults.records import FaultRecord, Net, Trial, read_record, write_record
from ttt_ros.msg import AdaptationStatus
from ttt_ros.nodes.bring_up import BringUpError
from ttt_ros.nodes.faults.catalogue import FAULTS, fault_named
from ttt_ros.nodes.faults.fault import Fault, Injection, Protection
from ttt_ros.nodes.faults.observer import Heard, first
from ttt_ros.nodes.faults.rig import RECOVERY_TIMEOUT, Rig
from ttt_ros.nodes.transport import Transport, transport_environment
from ttt_ros.safeguard.ladder import Mode

_MARGIN = 3.0
"""Seconds beyond the deadline for which a reaction is waited for, so that a late one is told from none."""

_IN_FLIGHT = 0.05
"""Seconds that a command may take to be seen here."""

_WATCHED = 0.3
"""Seconds after the reaction in which it is seen what the robot is told."""

_AFTERMATH = 3.0
"""Seconds for which a system without the protection is watched once the fault is over."""

_REMEMBERED = 10
"""Windows that the safeguard's rules look back on: refused ones of the trial before must not add up with those of the next."""

_DOMAIN = "101"
"""Where the tests, whose domains end at 100, are not disturbed; a robot on the network is not because nothing leaves this machine."""


def run_faults(names: Sequence[str], *, trials: int, without: str, out: Path, console: Console) -> list[FaultRecord]:
    """Runs each fault ``trials`` times and returns all records; what ``out`` holds already is not run again.

    Args:
        names: of the faults; empty: all.
        without: name of a fault whose protection is switched off; only that one is run then.

    Raises:
        BringUpError: the system did not come up.
        ConfigurationError: there is no such fault.
    """
    if without:
        fault = fault_named(without)
        return _run([fault], trials=trials, suite=_Suite(out / "rig", fault.protection, out / "without", console, protected=False))
    return _run(_chosen(names), trials=trials, suite=_Suite(out / "rig", Protection(), out / "records", console))


def run_alone(net: Net, names: Sequence[str], *, trials: int, out: Path, console: Console) -> list[FaultRecord]:
    """Runs each of the named faults, or all that ``net`` must hold alone, with the other net's part of the protection switched off.

    Raises:
        BringUpError: the system did not come up.
        ConfigurationError: there is no such fault, or ``net`` need not hold it alone; the message says why.
    """
    for fault in map(fault_named, names):
        if not fault.held_alone_by(net):
            reason = fault.unheld.get(net, "its protection has no part in both nets")
            raise ConfigurationError(f"fault '{fault.name}' need not be held by the {net.value} alone: {reason}; name another one")
    return [
        record
        for fault in _chosen(names)
        if fault.held_alone_by(net)
        for record in _run(
            [fault.alone(net)], trials=trials, suite=_Suite(out / "rig", fault.protection.beside(net), out / net.records, console)
        )
    ]


def _chosen(names: Sequence[str]) -> list[Fault]:
    return [fault_named(name) for name in names] or list(FAULTS)


def _run(chosen: Sequence[Fault], *, trials: int, suite: "_Suite") -> list[FaultRecord]:
    due = [fault for fault in chosen if len(_trials(suite.folder, fault)) < trials]
    if due:
        os.environ.setdefault("ROS_DOMAIN_ID", _DOMAIN)
        os.environ.update(_on_this_machine())
        with ExitStack() as stack:
            # With NO, Ctrl-C is a KeyboardInterrupt, and the context lives until everything is closed.
            rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
            stack.callback(rclpy.try_shutdown)
            suite.run(due, trials)
    return [read_record(suite.folder / f"{fault.name}.json") for fault in chosen]


def _on_this_machine() -> Mapping[str, str]:
    """Keeps other middlewares from the network as well; to Fast DDS their words would mean to share memory."""
    if get_rmw_implementation_identifier().startswith("rmw_fastrtps"):
        return transport_environment({"ROS_DISTRO": os.environ["ROS_DISTRO"]}, transport=Transport.THIS_MACHINE)
    return {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST", "ROS_LOCALHOST_ONLY": "1"}  # the last one is Humble's


def prove_protections(names: Sequence[str], *, out: Path, console: Console) -> list[FaultRecord]:
    """Runs each of the named faults, or all, once with its protection switched off; each must fail.

    Raises:
        ConfigurationError: there is no such fault.
    """
    return [record for fault in _chosen(names) for record in run_faults((), trials=1, without=fault.name, out=out, console=console)]


def _trials(folder: Path, fault: Fault) -> tuple[Trial, ...]:
    """Those that were made before."""
    try:
        return read_record(folder / f"{fault.name}.json").trials
    except RecordingError:
        return ()


class _Suite:
    def __init__(self, working: Path, removed: Protection, folder: Path, console: Console, *, protected: bool = True) -> None:
        self._working = working
        self._removed = removed
        self._protected = protected
        self.folder = folder
        self._console = console
        self._rig: Rig | None = None
        self._windows_between = 1  # so that one is full again after the trial before

    def run(self, faults: Sequence[Fault], trials: int) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TimeRemainingColumn(),
        )
        try:
            with Progress(*columns, console=self._console) as progress:
                task = progress.add_task("faults", total=len(faults) * trials)
                for fault in faults:
                    done = list(_trials(self.folder, fault))
                    progress.advance(task, len(done))
                    while len(done) < trials:
                        progress.update(task, description=fault.name)
                        done.append(self._trial(fault))
                        write_record(self.folder, self._record(fault, done))
                        progress.advance(task)
        finally:
            if self._rig is not None:
                self._rig.close()

    def _record(self, fault: Fault, trials: Sequence[Trial]) -> FaultRecord:
        return FaultRecord(
            name=fault.name,
            injected=fault.injected,
            demand=fault.demand,
            deadline=fault.deadline,
            without_protection=not self._protected,
            load=os.getloadavg()[0],
            trials=tuple(trials),
        )

    def _running(self) -> Rig:
        if self._rig is None:
            removed = self._removed
            self._rig = Rig(self._working, policy_parameters=removed.parameters, rules_without=removed.rules, patches=removed.patches)
        return self._rig

    def _trial(self, fault: Fault) -> Trial:
        rig = self._running()
        rig.observer.begin()
        rig.answer = None
        rig.wait(lambda: len(rig.observer.windows) >= self._windows_between and _is_well(rig), RECOVERY_TIMEOUT)
        injection = Injection(at=time.monotonic(), last=MappingProxyType(dict(rig.relay.newest)))
        fault.inject(rig)
        patience = fault.begins_within + fault.deadline + fault.lasts + _MARGIN
        rig.wait(lambda: fault.reaction(rig, injection) is not None, patience)
        reaction, reacted = fault.reaction(rig, injection), time.monotonic()
        rig.spin(max(_WATCHED, injection.at + fault.lasts - time.monotonic()))
        seen = _seen(rig, injection.at)
        behaviour = rig.observer.behaviour(reacted + _IN_FLIGHT)
        self._windows_between = 1 if _refused(rig, injection.at) is None else _REMEMBERED
        recovery = self._recovered(rig, fault)
        return Trial(
            reaction=reaction,
            mode=seen["mode"],
            ordered=seen["ordered"],
            detected_by=_nets(rig, injection.at, seen),
            words=_words(rig, injection.at),
            behaviour=behaviour,
            violations=tuple(dict.fromkeys(rig.observer.violations)),
            recovery=recovery,
        )

    def _recovered(self, rig: Rig, fault: Fault) -> float | None:
        """Ends the fault and waits until adapting goes on; a system that does not is started anew for the next trial.

        So is one whose protection is switched off: what a fault has done to it may last, and may be seen only when the fault is over.
        """
        try:
            fault.remove(rig)
            if self._protected:
                return rig.go_on()
            rig.spin(_AFTERMATH)
        except BringUpError as error:
            self._console.print(f"{fault.name}: {error}", highlight=False)
        rig.close()
        self._rig = None
        return None


def _is_well(rig: Rig) -> bool:
    """Whether the safeguard speaks and the newest window was not refused: a window that is refused anyway shows no fault in it."""
    newest = rig.observer.windows[-1].message
    return bool(rig.observer.states) and (newest.committed or newest.withheld)


def _seen(rig: Rig, since: float) -> Mapping[str, str]:
    """Safest modes, acted in and ordered, while the fault lasted."""
    acted = [heard.message.mode for heard in rig.observer.controls if heard.at >= since]
    ordered = [heard.message.mode for heard in rig.observer.states if heard.at >= since]
    return {"mode": Mode(max(acted, default=0)).label, "ordered": Mode(max(ordered, default=0)).label}


def _nets(rig: Rig, since: float, seen: Mapping[str, str]) -> tuple[str, ...]:
    """The policy node noticed it if it refused a window or acted in a safer mode than was ordered at that moment."""
    modes = {mode.label: mode for mode in Mode}
    nets = []
    if (
        _refused(rig, since) is not None
        or modes[seen["mode"]] > modes[seen["ordered"]]
        or _acted_first(rig, since)
        or rig.answer is not None
    ):
        nets.append("policy node")
    if modes[seen["ordered"]] > Mode.ADAPTING:
        nets.append("safeguard")
    return tuple(nets)


def _refused(rig: Rig, since: float) -> Heard[AdaptationStatus] | None:
    return first(rig.observer.windows, since, lambda message: not message.committed and not message.withheld)


def _acted_first(rig: Rig, since: float) -> bool:
    acted = first(rig.observer.controls, since, lambda message: message.mode > Mode.ADAPTING)
    ordered = first(rig.observer.states, since, lambda message: message.mode > Mode.ADAPTING)
    return acted is not None and (ordered is None or acted.at < ordered.at)


def _words(rig: Rig, since: float) -> str:
    ordered = first(rig.observer.states, since, lambda message: message.mode > Mode.ADAPTING)
    if ordered is not None and ordered.message.reasons:
        return str(ordered.message.reasons[0])
    refused = _refused(rig, since)
    return str(refused.message.reason) if refused is not None else ""
