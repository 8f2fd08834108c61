"""A short soak, and that it would notice what it is to notice."""

import json
import mmap
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ttt_ros.adaptation import checks
from ttt_ros.adaptation.learner import Learner
from ttt_ros.adaptation.thread import SynchronousAdaptation
from ttt_ros.adaptation.versions import VersionStore
from ttt_ros.control.limits import JointLimits
from ttt_ros.control.loop import ControlLoop
from ttt_ros.control.orders import Order, Orders
from ttt_ros.control.session import Session
from ttt_ros.evaluation.soak.command import run_soak
from ttt_ros.evaluation.soak.configuration import SoakConfig
from ttt_ros.evaluation.soak.faults import Fault, Faults
from ttt_ros.evaluation.soak.invariants import longest_container
from ttt_ros.evaluation.soak.memory import private_memory, slope
from ttt_ros.evaluation.soak.run import soak
from ttt_ros.evaluation.soak.watchdog import StalledError, Watchdog
from ttt_ros.safeguard.ladder import Mode

RULES = Path(__file__).parents[1] / "config" / "safeguard_reactive.yaml"
SHORT = SoakConfig(rules=RULES, chunks=300, samples=10, stall=60.0)


def run(config: SoakConfig, folder: Path):
    return soak(config, stacks=folder / "stacks.txt")


@pytest.mark.parametrize("threaded", [False, True], ids=["stepped", "threaded"])
def test_everything_holds_over_some_hundred_chunks(threaded: bool, tmp_path: Path) -> None:
    result = run(replace(SHORT, threaded=threaded), tmp_path)
    assert result.passed, result.verdict
    assert result.chunks >= 300
    assert result.versions > 100
    assert result.modes["adapting"] > 100
    assert any(result.faults.values())


def test_the_same_seed_gives_the_same_run_and_another_seed_another(tmp_path: Path) -> None:
    first, again, other = (run(replace(SHORT, chunks=150, seed=seed), tmp_path) for seed in (4, 4, 5))
    assert (first.ticks, first.versions, first.modes, first.faults) == (again.ticks, again.versions, again.modes, again.faults)
    assert first.faults != other.faults


def test_every_fault_alone_is_survived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = list(Fault)

    def next_one(faults: Faults) -> int:
        faults.active = frozenset({waiting.pop(0)} if waiting else ())
        return 15

    monkeypatch.setattr(Faults, "begin", next_one)
    monkeypatch.setattr("ttt_ros.evaluation.soak.run._HEALTHY_TICKS", (1, 3))
    result = run(replace(SHORT, chunks=1200), tmp_path)
    assert not waiting
    assert result.passed, result.verdict


def only(fault: Fault) -> Callable[[Faults], int]:
    def begin(faults: Faults) -> int:
        faults.active = frozenset({fault})
        return 40

    return begin


def obeys_nobody(_orders: Orders, _now: int) -> Order:
    return Order(mode=Mode.ADAPTING, permit=True, validity=1.0, trusted_version=0, reasons=())


def changes_the_base(learner: Learner, *arguments: object, **options: object) -> object:
    next(iter(learner.store.base.weights.values())).add_(1e-6)
    return ADAPT(learner, *arguments, **options)


def keeps_everything(session: Session, *arguments: object, **options: object) -> None:
    INITIALISE(session, *arguments, **options)
    session.history, learn = [], session.loop._on_outcome

    def learnt(outcome: object) -> None:
        session.history.extend([outcome] * 10)
        learn(outcome)

    session.loop._on_outcome = learnt


def never_forgets(store: VersionStore, *arguments: object, **options: object) -> None:
    INITIALISE_STORE(store, *arguments, **options)
    store._ring = deque()


def commands_nan(loop: ControlLoop, now: int) -> object:
    command = TICK(loop, now)
    return command if command.positions is None else replace(command, positions=command.positions * np.nan)


ADAPT, INITIALISE, INITIALISE_STORE, TICK = Learner.adapt, Session.__init__, VersionStore.__init__, ControlLoop.tick


@pytest.mark.parametrize(
    ("broken", "name", "replacement", "fault", "notices"),
    [
        (JointLimits, "check_chunk", lambda *_, **__: None, Fault.WILD_ACTION, "beyond"),
        (ControlLoop, "tick", commands_nan, Fault.SAVE, "is not finite"),
        (Orders, "in_force", obeys_nobody, Fault.SAVE, "is better than the ordered"),
        (checks, "commit_permitted", lambda _: None, Fault.ANY_ORDER, "committed without permit"),
        (VersionStore, "__init__", never_forgets, Fault.SAVE, "versions are kept"),
        (Learner, "adapt", changes_the_base, Fault.SAVE, "version 0 have changed"),
        (Session, "__init__", keeps_everything, Fault.SAVE, "session.history holds"),
        (SynchronousAdaptation, "alive", False, Fault.SAVE, "the adaptation thread is dead"),
    ],
    ids=["limits", "nan", "orders", "permit", "ring", "base", "history", "thread"],
)
def test_what_must_never_happen_is_noticed(
    broken: object, name: str, replacement: object, fault: Fault, notices: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ttt_ros.evaluation.soak.run._THOROUGH_EVERY", 100)
    monkeypatch.setattr(Faults, "begin", only(fault))
    monkeypatch.setattr(broken, name, replacement)
    result = run(replace(SHORT, chunks=400), tmp_path)
    assert notices in result.violation
    assert not result.passed


def test_an_adapting_mode_that_is_not_reached_again_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Faults, "begin", only(Fault.NAN_JOINTS))
    monkeypatch.setattr(Faults, "end", lambda _: None)
    monkeypatch.setattr("ttt_ros.evaluation.soak.run.RECOVERY_TICKS", 100)
    result = run(SHORT, tmp_path)
    assert "adapting was not reached within 100 ticks" in result.violation


def test_a_deadlock_is_noticed_and_the_stacks_are_written(tmp_path: Path) -> None:
    lock = threading.Lock()
    lock.acquire()
    with pytest.raises(StalledError, match=r"nothing has happened for 0\.2 s"), Watchdog(0.2, stacks=tmp_path / "stacks.txt"):
        lock.acquire()
    assert "test_a_deadlock_is_noticed" in (tmp_path / "stacks.txt").read_text()


def test_a_loop_that_goes_on_is_left_alone(tmp_path: Path) -> None:
    end = time.monotonic() + 0.5
    with Watchdog(0.1, stacks=tmp_path / "stacks.txt") as watchdog:
        while time.monotonic() < end:
            watchdog.alive()
            threading.Event().wait(0.005)
    assert not (tmp_path / "stacks.txt").exists()


def test_the_slope_of_a_growing_memory_is_found_and_that_of_steps_and_noise_is_not() -> None:
    generator = np.random.default_rng(0)
    chunks = np.linspace(20_000, 100_000, 150)
    noise = 2**20 * 0.2 * generator.normal(size=len(chunks))
    growing = slope(chunks, 2**20 * 3 * chunks / 100_000 + noise)
    assert growing.lower < 3.0 < growing.upper
    assert growing.is_leak
    steady = slope(chunks, 2**20 * 300 + noise)
    assert steady.lower < 0.0 < steady.upper
    assert not steady.is_leak


def test_private_memory_grows_by_what_is_taken() -> None:
    with mmap.mmap(-1, 64 * 2**20) as taken:  # pages of its own, which no allocator had before
        before = private_memory()
        for page in range(0, len(taken), mmap.PAGESIZE):
            taken[page] = 1
        assert private_memory() - before == pytest.approx(len(taken), rel=0.1)


def test_the_longest_container_is_found_wherever_it_is() -> None:
    class Holder:
        __module__ = "ttt_ros.of_the_test"

        def __init__(self) -> None:
            self.inner = {"some": [0, deque(range(700))]}

    assert longest_container(Holder()) == (700, ".inner['some'][1]")


def test_the_page_and_the_figures_are_written(tmp_path: Path) -> None:
    assert run_soak(replace(SHORT, chunks=100), tmp_path).passed
    assert "Everything held" in (tmp_path / "report.html").read_text()
    assert json.loads((tmp_path / "soak.json").read_text())["passed"] is True
    assert (tmp_path / "memory.png").stat().st_size > 1000
