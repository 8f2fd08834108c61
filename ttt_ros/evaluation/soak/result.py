"""What came of a soak, as one record."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from ttt_ros.configuration import strict
from ttt_ros.evaluation.soak.configuration import SoakConfig
from ttt_ros.evaluation.soak.memory import Slope
from ttt_ros.evaluation.whole_file import write_whole


@strict
@dataclass(frozen=True, kw_only=True)
class SoakResult:
    """What came of a soak.

    Attributes:
        config: of it.
        chunks: scheduled.
        ticks: control periods.
        rounds: of faults and recovery.
        seconds: that it took.
        versions: number of the last version.
        faults: how often each was begun, in words.
        modes: ticks in each mode.
        longest_recovery: ticks from the end of faults to adapting.
        violation: the first thing that did not hold; empty if all did.
        sampled: chunks at each sample of the memory.
        memory: bytes of private memory at each.
        slope: of the memory after the warm-up; None if the run was too short.
        ended: whether the adaptation ended in time.
    """

    config: SoakConfig
    chunks: int
    ticks: int
    rounds: int
    seconds: float
    versions: int
    faults: dict[str, int]
    modes: dict[str, int]
    longest_recovery: int
    violation: str
    sampled: list[int]
    memory: list[int]
    slope: Slope | None
    ended: bool

    @property
    def passed(self) -> bool:
        """Whether everything held, all ended, and memory does not grow beyond its limit."""
        return not self.violation and self.ended and not (self.slope is not None and self.slope.is_leak)

    @property
    def verdict(self) -> str:
        """The same in words."""
        if self.violation:
            return f"A violation: {self.violation}."
        if not self.ended:
            return "The adaptation did not end in time."
        if self.slope is not None and self.slope.is_leak:
            return f"Everything held, but memory grows by {self.slope}."
        return "Everything held" + (f"; memory: {self.slope}." if self.slope is not None else ".")

    def write(self, path: Path) -> None:
        """Writes all as JSON.

        Raises:
            RecordingError: it cannot be written.
        """
        values = {"passed": self.passed, "verdict": self.verdict, **asdict(self)}
        values["config"] |= {
            "rules": self.config.rules.name,
            "seconds": None if self.config.seconds == float("inf") else self.config.seconds,
        }
        write_whole(path, json.dumps(values, indent=1) + "\n")
