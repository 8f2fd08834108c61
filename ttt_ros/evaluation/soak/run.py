"""Faults, recovery, a while of health, and again, until enough chunks were played."""

import gc
import logging
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from ttt_ros.evaluation.soak.configuration import SoakConfig
from ttt_ros.evaluation.soak.invariants import ViolationError
from ttt_ros.evaluation.soak.loop import SoakLoop
from ttt_ros.evaluation.soak.memory import FEWEST, WARM_UP, Slope, private_memory, slope
from ttt_ros.evaluation.soak.result import SoakResult
from ttt_ros.evaluation.soak.watchdog import Watchdog
from ttt_ros.safeguard.ladder import Mode

RECOVERY_TICKS = 1200
"""Within which an adapting mode is reached after all faults have ended: a minute."""

_RESET_EVERY = 20
_HEALTHY_TICKS = (20, 200)
ADAPTATION_LOG = "ttt_ros.adaptation.thread"
_THOROUGH_EVERY = 500  # chunks


def soak(config: SoakConfig, *, stacks: Path, advance: Callable[[], None] = lambda: None) -> SoakResult:
    """Runs until there are enough chunks, or something does not hold.

    Args:
        stacks: file that takes the stacks of all threads in a deadlock.
        advance: called at every chunk.

    Raises:
        StalledError: a deadlock.
        ConfigurationError, RecordingError: the rules cannot be read, or the memory cannot be measured.
    """
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder, _silenced(ADAPTATION_LOG):
        run = _Run(config, Path(folder), advance)
        with Watchdog(config.stall, stacks=stacks) as watchdog:
            return run.result(watchdog)


@contextmanager
def _silenced(name: str) -> Iterator[None]:
    """Without what is logged of each window that fails: thousands do."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


class _Run:
    def __init__(self, config: SoakConfig, folder: Path, advance: Callable[[], None]) -> None:
        self._config = config
        self._advance = advance
        self._loop = SoakLoop(config, folder=folder)
        self._generator = np.random.default_rng([config.seed, 1])
        self._modes: Counter[str] = Counter()
        self._ticks = self._rounds = self._longest = 0
        self._sampled: list[int] = []
        self._memory: list[int] = []
        self._checked = 0

    def result(self, watchdog: Watchdog) -> SoakResult:
        started, violation = time.monotonic(), ""
        self._watchdog = watchdog
        try:
            gc.collect()
            gc.freeze()  # what was imported by now need not be looked through again at each sample
            self._recover()
            while self._loop.chunks < self._config.chunks and time.monotonic() - started < self._config.seconds:
                self._round()
        except ViolationError as error:
            active = ", ".join(fault.value for fault in self._loop.faults.active) or "no fault"
            violation = f"chunk {self._loop.chunks}, tick {self._ticks}: {error}; with {active}"
        ended = self._loop.close()
        return SoakResult(
            config=self._config,
            chunks=self._loop.chunks,
            ticks=self._ticks,
            rounds=self._rounds,
            seconds=round(time.monotonic() - started, 1),
            versions=self._loop.version,
            faults={fault.value: count for fault, count in self._loop.faults.counts.items()},
            modes=dict(self._modes),
            longest_recovery=self._longest,
            violation=violation,
            sampled=self._sampled,
            memory=self._memory,
            slope=self._slope(),
            ended=ended,
        )

    def _round(self) -> None:
        self._rounds += 1
        for _ in range(self._loop.faults.begin()):
            self._tick()
        self._loop.mend()
        self._recover()
        for _ in range(int(self._generator.integers(*_HEALTHY_TICKS))):
            self._tick()

    def _recover(self) -> None:
        for ticks in range(RECOVERY_TICKS):
            if self._loop.mode == Mode.ADAPTING and self._loop.verdict.permit:
                self._longest = max(self._longest, ticks)
                return
            if ticks % _RESET_EVERY == 0:
                self._loop.reset_latched()
            self._tick()
        raise ViolationError(f"adapting was not reached within {RECOVERY_TICKS} ticks: {'; '.join(self._loop.verdict.reasons)}")

    def _tick(self) -> None:
        before = self._loop.chunks
        self._loop.tick()
        self._watchdog.alive()
        self._ticks += 1
        self._modes[self._loop.mode.label] += 1
        for _ in range(self._loop.chunks - before):
            self._advance()
        if self._loop.chunks >= self._checked + _THOROUGH_EVERY:
            self._checked = self._loop.chunks
            self._loop.check_thoroughly()
        if self._loop.chunks >= (len(self._sampled) + 1) * self._config.chunks / self._config.samples:
            gc.collect()  # what only waits to be collected is no leak
            self._sampled.append(self._loop.chunks)
            self._memory.append(private_memory())

    def _slope(self) -> Slope | None:
        if self._loop.chunks < FEWEST:
            return None
        settled = [index for index, chunks in enumerate(self._sampled) if chunks >= WARM_UP * self._loop.chunks]
        return slope(np.array(self._sampled, dtype=np.float64)[settled], np.array(self._memory, dtype=np.float64)[settled])
