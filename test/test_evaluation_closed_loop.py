"""The closed loop on a virtual clock: the same every time, healthy where nothing is wrong, and disturbed where a test wants it."""

import math
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ttt_ros.errors import ConfigurationError
from ttt_ros.evaluation.closed_loop.configuration import NOMINAL, ClosedLoopConfig
from ttt_ros.evaluation.closed_loop.disturbance import Pixels, Positions, Undisturbed
from ttt_ros.evaluation.closed_loop.film import Film
from ttt_ros.evaluation.closed_loop.loop import ClosedLoop
from ttt_ros.evaluation.closed_loop.run import GoalOutcome, lead
from ttt_ros.policies.specification import CameraSpecification
from ttt_ros.safeguard.ladder import Mode
from ttt_ros.safeguard.signals import SIGNALS, Reading
from ttt_ros.simulation.engine import Simulation
from ttt_ros.simulation.robots import Robot

CONFIG = Path(__file__).parents[1] / "config"
POINTING = ClosedLoopConfig(parameters=CONFIG / "policy_node.yaml", rules=CONFIG / "safeguard.yaml", seed=5, goals=3)
REACTIVE = ClosedLoopConfig(parameters=CONFIG / "policy_node_reactive.yaml", rules=CONFIG / "safeguard_reactive.yaml", seed=3, goals=1)

UNREAD = {"loss_ratio", "sensor_publishers", "clock_stall"}
"""Signals that need eight windows, a ROS graph, or a clock of ROS beside that of the wall."""

GRACE = 3.0  # s, from which the disturbances below act


class Traced:
    """A run with everything that came out of it."""

    def __init__(self, config: ClosedLoopConfig, disturbance: Undisturbed | None = None) -> None:
        torch.set_num_threads(1)
        self.readings: list[tuple[int, Reading]] = []
        self.modes: list[Mode] = []
        self.reasons: list[str] = []
        loop = ClosedLoop(
            config,
            disturbance=disturbance,
            on_reading=lambda now, reading: self.readings.append((now, reading)),
            on_verdict=lambda _, verdict: (self.modes.append(verdict.mode), self.reasons.extend(verdict.reasons)),
        )
        with closing(loop):
            self.outcomes: tuple[GoalOutcome, ...] = lead(loop, config)
            self.checksum = loop.session.store.current.checksum
            self.version = loop.session.store.current.number

    def greatest(self, signal: str) -> float:
        return max(reading.value for _, reading in self.readings if reading.signal == signal)


class EveryFrame(Undisturbed):
    """Changes nothing, and has every frame rendered."""

    def is_near(self, now: int) -> bool:
        return True


class Late(EveryFrame):
    """Acts from GRACE on."""

    def acts(self, now: int) -> bool:
        return now > GRACE * 1e9


class DarkCamera(Late):
    def frame(self, camera: str, now: int) -> Sequence[int]:
        return () if self.acts(now) else (now,)


class FrozenPicture(Late):
    def __init__(self) -> None:
        self._picture: Pixels | None = None

    def image(self, camera: str, pixels: Pixels, now: int) -> Pixels:
        if self._picture is None or not self.acts(now):
            self._picture = pixels
        return self._picture


class StuckEncoder(Late):
    def joints(self, positions: Positions, now: int) -> Sequence[tuple[int, Positions]]:
        return ((now, positions * [0.0, 1.0, 1.0, 1.0, 1.0, 1.0] + 1.5),) if self.acts(now) else ((now, positions),)


class DeadEncoder(Late):
    def joints(self, positions: Positions, now: int) -> Sequence[tuple[int, Positions]]:
        return ((now, positions * math.nan),) if self.acts(now) else ((now, positions),)


class LostCommands(Late):
    def command(self, positions: Positions, now: int) -> Positions | None:
        return None if self.acts(now) else positions


@pytest.fixture(scope="module")
def nominal() -> Traced:
    return Traced(POINTING)


def test_a_healthy_arm_adapts_without_an_alarm(nominal: Traced) -> None:
    assert all(outcome.succeeded for outcome in nominal.outcomes)
    assert nominal.version == len(nominal.outcomes)
    begun = nominal.modes.index(Mode.ADAPTING)
    assert set(nominal.modes[:begun]) == {Mode.BASE}
    assert set(nominal.modes[begun:]) == {Mode.ADAPTING}
    assert {reading.signal for _, reading in nominal.readings} == set(SIGNALS) - UNREAD


def test_the_same_seed_gives_the_same_weights_and_readings() -> None:
    config = replace(POINTING, robot=Robot(seed=5), goals=2)
    first, second = Traced(config), Traced(config)
    assert first.checksum == second.checksum
    assert first.readings == second.readings
    assert first.outcomes == second.outcomes
    assert Traced(replace(config, robot=Robot(seed=6))).checksum != first.checksum


def test_frames_that_nobody_looks_at_need_not_be_rendered(nominal: Traced) -> None:
    everything = Traced(POINTING, EveryFrame())
    assert everything.checksum == nominal.checksum
    assert everything.readings == nominal.readings


def test_a_frame_that_nobody_looked_at_in_time_cannot_be_looked_at_later() -> None:
    camera = CameraSpecification(name="scene", height=32, width=32)
    with closing(Simulation(cameras={"scene": (32, 32)})) as simulation:
        film = Film(simulation, Undisturbed())
        seen, unseen = film.expose(camera, 0), torch.Tensor()
        film.develop("scene", seen)
        unseen = film.expose(camera, 1)
        film.expire()
        film.develop("scene", unseen)
    assert seen.float().std() > 0
    assert unseen.numel() == 0


@pytest.mark.parametrize(
    ("disturbance", "signal"),
    [
        (DarkCamera(), "camera_age"),
        (FrozenPicture(), "camera_stuck"),
        (StuckEncoder(), "following_error"),
        (DeadEncoder(), "joint_speed"),
        (LostCommands(), "following_error"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_is_wrong_with_a_stream_leads_to_hold(disturbance: Undisturbed, signal: str) -> None:
    disturbed = Traced(POINTING, disturbance)
    assert max(disturbed.modes) == Mode.HOLD
    assert any(reason.startswith(signal) for reason in disturbed.reasons)


def test_the_reactive_policy_reaches_and_learns() -> None:
    reactive = Traced(REACTIVE)
    assert reactive.outcomes[0].succeeded
    assert reactive.modes[-1] == Mode.ADAPTING
    assert reactive.greatest("underruns") == 0.0


def test_a_heartbeat_between_two_frames_is_refused(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(POINTING.rules.read_text().replace("heartbeat_period: 0.1", "heartbeat_period: 0.05"))
    with pytest.raises(ConfigurationError, match="heartbeat_period 0\\.05 s must be a multiple"):
        ClosedLoop(replace(POINTING, rules=rules))


def test_a_run_without_goals_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="0 goals"):
        replace(POINTING, goals=0, robot=NOMINAL)
