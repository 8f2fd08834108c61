"""The safeguard without ROS: readings in, verdict out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ttt_ros.safeguard import ladder
from ttt_ros.safeguard.ages import StreamAges
from ttt_ros.safeguard.configuration import SafeguardConfig
from ttt_ros.safeguard.ladder import Demand, Mode
from ttt_ros.safeguard.rules import RuleState, demand, observe
from ttt_ros.safeguard.signals import signal_named
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
        trusted_version: the newest weights version that was committed without violating a rule; 0 is the base.
    """

    mode: Mode
    permit: bool
    reasons: tuple[str, ...]
    since: int
    latched: bool
    trusted_version: int


class Safeguard:
    """Judges the readings of one policy; all instants are nanoseconds of one clock, handed in by the caller.

    It starts in ``base``, as ignorant as a silent one, and leaves it once every rule on a stream's age has seen as many good
    readings as it takes to clear the rule.
    """

    def __init__(self, config: SafeguardConfig, *, cameras: Sequence[str], now: int) -> None:
        self.streams = StreamAges(cameras, startup_grace=config.startup_grace, now=now)
        self._rules = config.rules
        self._states = [RuleState() for _ in self._rules]
        self._unproven = self._stream_rules()
        self._trusted = TrustedVersions()
        self._ladder = ladder.entered(self._demands(), now)

    def read(self, signal: str, value: float, now: int, *, source: str = "") -> None:
        """Takes one reading and moves down the ladder at once if a rule demands it.

        Raises:
            ConfigurationError: the signal is unknown.
        """
        signal_named(signal)
        for index, rule in enumerate(self._rules):
            if rule.signal != signal:
                continue
            self._states[index] = observe(rule, self._states[index], value, source=source)
            if self._states[index].good_readings >= rule.clear_after:
                self._unproven.discard(index)
        self._ladder = ladder.advance(self._ladder, self._demands(), now)

    def read_window(self, readings: Mapping[str, float], now: int, *, version: int, committed: bool) -> None:
        """Takes the readings, by signal, of one adaptation status.

        Args:
            readings: by signal name; window signals only.
            now: when the status arrived.
            version: of the weights in force after the window.
            committed: whether this window made that version.

        Raises:
            ConfigurationError: a signal is unknown.
        """
        self.streams.heard_adaptation_status(now)
        for signal, value in readings.items():
            self.read(signal, value, now)
        self._trusted.reported(version, committed=committed, clean=not self._violated_by(readings))

    def tick(self, now: int) -> Verdict:
        """Reads the ages of the streams, once per heartbeat, and judges."""
        for reading in self.streams.readings(now):
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
        self._ladder = ladder.reset(self._ladder, self._demands(), now)
        return self.judge()

    def _stream_rules(self) -> set[int]:
        return {index for index, rule in enumerate(self._rules) if signal_named(rule.signal).cadence == "tick"}

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
