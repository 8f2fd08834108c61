"""The safeguard without ROS: readings in, verdict out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from ttt_ros.safeguard import ladder
from ttt_ros.safeguard.ages import StreamAges
from ttt_ros.safeguard.configuration import SafeguardConfig
from ttt_ros.safeguard.control_health import ControlMonitor
from ttt_ros.safeguard.figures import ChunkFigures, WindowFigures
from ttt_ros.safeguard.ladder import Demand, Mode
from ttt_ros.safeguard.losses import LossHistory
from ttt_ros.safeguard.rules import RuleState, demand, observe
from ttt_ros.safeguard.sensors import SensorMonitor
from ttt_ros.safeguard.signals import LOSS_RATIO, PREDICTION_LOSS, REJECTED, SIGNALS, Reading, signal_named
from ttt_ros.safeguard.trust import TrustedVersions


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the safeguard allows.

    Attributes:
        mode: no better mode is allowed.
        permit: whether weights may be committed; only in mode ``adapting``.
        reasons: why the mode is no better, each with signal, value and limit.
        since: nanoseconds at which the mode was entered.
        latched: only a reset leads to a better mode.
        reset: nanoseconds of the last reset; 0: there was none.
        trusted_version: the newest weights version that was committed without violating a rule; 0 is the base.
    """

    mode: Mode
    permit: bool
    reasons: tuple[str, ...]
    since: int
    latched: bool
    reset: int
    trusted_version: int


class Safeguard:
    """Judges the readings of one policy; all instants are nanoseconds of one clock, handed in by the caller.

    It starts in ``base``, as ignorant as a silent one, and leaves it once every rule on a signal that is needed has seen as many
    good readings as it takes to clear the rule.

    Attributes:
        streams: ages of all streams, to be told what is heard.
        sensors: content, rate and motion of the robot's streams, likewise.
        control: what the policy node says of itself, likewise.
        latest: the newest reading of each signal.
    """

    def __init__(
        self,
        config: SafeguardConfig,
        *,
        cameras: Sequence[str],
        now: int,
        camera_rates: Mapping[str, float] = MappingProxyType({}),
        joint_state_rate: float = 0.0,
    ) -> None:
        """Begins to watch.

        Args:
            cameras: names of those that must not fall silent.
            camera_rates: nominal rates in Hz, of those of which it is known.
            joint_state_rate: nominal rate in Hz; 0 if it is unknown.
        """
        self.streams = StreamAges(cameras, startup_grace=config.startup_grace, now=now)
        self.sensors = SensorMonitor({name: camera_rates.get(name, 0.0) for name in cameras}, joint_state_rate=joint_state_rate)
        self.control = ControlMonitor()
        self.latest: dict[str, Reading] = {}
        self._losses = LossHistory()
        self._rules = config.rules
        self._rules_on = {signal: tuple(i for i, rule in enumerate(config.rules) if rule.signal == signal) for signal in SIGNALS}
        self._states = [RuleState() for _ in self._rules]
        self._unproven = self._stream_rules()
        self._trusted = TrustedVersions()
        self._ladder = ladder.entered(self._demands(), now)
        self._reset = 0

    def read(self, signal: str, value: float, now: int, *, source: str = "") -> None:
        """Takes one reading and moves down the ladder at once if a rule demands it.

        Raises:
            ConfigurationError: the signal is unknown.
        """
        signal_named(signal)
        self.latest[signal] = Reading(signal=signal, value=value, source=source)
        changed = False
        for index in self._rules_on[signal]:
            rule, before = self._rules[index], self._states[index]
            after = self._states[index] = observe(rule, before, value, source=source)
            changed |= after.trip is not before.trip or index in self._unproven
            if after.good_readings >= rule.clear_after:
                self._unproven.discard(index)
        if changed:
            self._ladder = ladder.advance(self._ladder, self._demands(), now)

    def read_window(
        self, readings: Mapping[str, float], now: int, *, version: int, committed: bool, sources: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        """Takes the readings, by signal, of one adaptation status.

        Args:
            readings: by signal name; window signals only, to which that of the loss ratio is added here.
            now: when the status arrived.
            version: of the weights in force after the window.
            committed: whether this window made that version.
            sources: which of several modules a reading is of, by signal name.

        Raises:
            ConfigurationError: a signal is unknown.
        """
        self.streams.heard_adaptation_status(now)
        passed = committed or readings.get(REJECTED.name) == 0.0
        readings = {**readings, **self._loss_ratio(readings.get(PREDICTION_LOSS.name), passed=passed)}
        for signal, value in readings.items():
            self.read(signal, value, now, source=sources.get(signal, ""))
        self._trusted.reported(version, committed=committed, clean=not self._violated_by(readings))

    def heard_camera(self, name: str, *, stamp: int, now: int) -> None:
        """Takes the stamp of a frame that arrived at ``now``; what it shows is told to ``sensors``.

        Raises:
            ConfigurationError: the camera is not watched.
        """
        self.streams.heard_camera(name, stamp)
        self.sensors.heard_camera(name, stamp=stamp, now=now)

    def heard_joints(self, positions: Mapping[str, float], *, stamp: int, now: int) -> None:
        """Takes a joint state, rad by joint name, that arrived at ``now``."""
        self.streams.heard_joint_state(stamp)
        self.sensors.heard_joints(positions, stamp=stamp, now=now)

    def heard_chunk(self, figures: ChunkFigures, now: int) -> None:
        """Takes an action chunk that arrived at ``now``."""
        self.streams.heard_chunk(now)
        for reading in figures.readings():
            self.read(reading.signal, reading.value, now)

    def heard_window(self, figures: WindowFigures, now: int) -> None:
        """Takes an adaptation status that arrived at ``now``."""
        readings = figures.readings()
        self.read_window(
            {reading.signal: reading.value for reading in readings},
            now,
            version=figures.version,
            committed=figures.committed,
            sources={reading.signal: reading.source for reading in readings},
        )

    def tick(self, now: int) -> Verdict:
        """Reads all streams, once per heartbeat, and judges."""
        for reading in (*self.streams.readings(now), *self.sensors.readings(now), *self.control.readings(now)):
            self.read(reading.signal, reading.value, now, source=reading.source)
        return self.judge()

    def judge(self) -> Verdict:
        """The verdict on all that was read."""
        state = self._ladder
        return Verdict(
            mode=state.mode,
            permit=state.mode == Mode.ADAPTING,
            reasons=state.reasons,
            since=state.since,
            latched=state.latched,
            reset=self._reset,
            trusted_version=self._trusted.newest,
        )

    def reset(self, now: int) -> Verdict:
        """Lifts the latch and starts again in ``base``.

        A tripped rule on the robot's own streams keeps its demand until they are well: a reset cannot talk away a dead camera.
        Rules on what the policy produces start afresh, because in ``hold`` it produces nothing that could clear them.
        """
        for index, rule in enumerate(self._rules):
            if signal_named(rule.signal).origin == "policy" or self._states[index].trip is None:
                self._states[index] = RuleState()
        self._unproven = self._stream_rules()
        self.streams.forget_policy()
        self.control.forget()
        self.sensors.look_anew()
        self._ladder = ladder.reset(self._ladder, self._demands(), now)
        self._reset = now
        return self.judge()

    def _stream_rules(self) -> set[int]:
        return {index for index, rule in enumerate(self._rules) if signal_named(rule.signal).needed}

    def _loss_ratio(self, loss: float | None, *, passed: bool) -> dict[str, float]:
        if loss is None:
            return {}
        ratio = self._losses.ratio(loss)
        if passed:
            self._losses.passed(loss)
        return {} if ratio is None else {LOSS_RATIO.name: ratio}

    def _violated_by(self, readings: Mapping[str, float]) -> bool:
        return any(rule.violated_by(readings[rule.signal]) for rule in self._rules if rule.signal in readings)

    def _demands(self) -> tuple[Demand, ...]:
        tripped = (demand(rule, state) for rule, state in zip(self._rules, self._states, strict=True))
        return (*(each for each in tripped if each is not None), *self._startup_demands())

    def _startup_demands(self) -> tuple[Demand, ...]:
        return tuple(
            Demand(
                mode=Mode.BASE,
                reason=f"starting: {self._rules[index].signal} good in {self._states[index].good_readings} of "
                f"{self._rules[index].clear_after} ticks",
            )
            for index in sorted(self._unproven)
        )
