"""Shifts: each does what it says, is refused out of range, and leaves no trace when it is taken back."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ttt_ros.errors import SimulationError
from ttt_ros.simulation import engine
from ttt_ros.simulation.arm import HOME
from ttt_ros.simulation.engine import CAMERAS, TIMESTEP, Simulation
from ttt_ros.simulation.shifted_model import apply_to_model
from ttt_ros.simulation.shifts import NO_SHIFTS, Shifts

PATH = str(Path(engine.__file__).parent / "assets" / "desk_arm.xml")
TARGET = np.array([0.3, 0.2, 0.1, 1.2, 0.4, 0.6])
OUTSTRETCHED = np.array([0.0, 0.3, -0.2, 0.2, 0.0, 0.0])


@pytest.fixture(scope="module")
def simulation() -> Iterator[Simulation]:
    made = Simulation()
    yield made
    made.close()


def vectors(size: int, lower: float, upper: float) -> st.SearchStrategy[tuple[float, ...]]:
    return st.tuples(*[st.floats(lower, upper)] * size)


def off_diagonal(values: tuple[float, ...]) -> tuple[float, ...]:
    matrix = np.zeros((6, 6))
    matrix[~np.eye(6, dtype=bool)] = values
    return tuple(matrix.ravel().tolist())


ANY_SHIFTS = st.builds(
    Shifts,
    camera_position=vectors(3, -0.3, 0.3),
    camera_rotation=vectors(3, -0.6, 0.6),
    light=st.floats(0.1, 3.0),
    encoder_offset=vectors(6, -0.5, 0.5),
    actuator_gain=vectors(6, 0.5, 2.0),
    cross_coupling=vectors(30, -0.09, 0.09).map(off_diagonal),
    payload=st.floats(0.0, 0.5),
    bent_hand=vectors(2, -0.05, 0.05),
)


def serialised(model: mujoco.MjModel) -> NDArray[np.uint8]:
    buffer = np.empty(mujoco.mj_sizeModel(model), np.uint8)
    mujoco.mj_saveModel(model, None, buffer)
    return buffer


def settled(simulation: Simulation, shifts: Shifts, command: NDArray[np.float64]) -> NDArray[np.float64]:
    """True joint positions after the arm has come to rest on ``command``."""
    simulation.set_shifts(shifts)
    simulation.reset(0)
    simulation.command(command)
    simulation.advance(2.0)
    return simulation.true_joint_positions()


@settings(max_examples=25, deadline=None)
@given(ANY_SHIFTS)
def test_the_default_restores_the_model_bit_for_bit(shifts: Shifts) -> None:
    model, original = mujoco.MjModel.from_xml_path(PATH), mujoco.MjModel.from_xml_path(PATH)
    apply_to_model(shifts, model, original)
    apply_to_model(NO_SHIFTS, model, original)
    np.testing.assert_array_equal(serialised(model), serialised(original))


def test_after_all_shifts_are_taken_back_an_episode_is_the_same_bit_for_bit(simulation: Simulation) -> None:
    def episode() -> list[NDArray[np.generic]]:
        simulation.reset(3)
        simulation.command(TARGET)
        simulation.advance(0.5)
        return [simulation.joint_positions(), *(simulation.render(camera) for camera in CAMERAS)]

    simulation.set_shifts(NO_SHIFTS)
    before = episode()
    simulation.set_shifts(
        Shifts(
            camera_position=(0.05, 0.0, 0.05),
            camera_rotation=(0.1, 0.0, 0.0),
            light=0.5,
            colour_cast=(1.3, 1.0, 0.7),
            sensor_noise=10.0,
            encoder_offset=(0.1,) * 6,
            actuator_gain=(0.8,) * 6,
            action_delay=0.2,
            payload=0.3,
        )
    )
    shifted = episode()
    simulation.set_shifts(NO_SHIFTS)
    for one, other in zip(before, episode(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert all((one != other).any() for one, other in zip(before, shifted, strict=True))


def test_an_encoder_offset_moves_the_arm_away_from_what_it_reads(simulation: Simulation) -> None:
    offset = np.array([0.1, -0.2, 0.15, -0.1, 0.3, 0.2])
    true = settled(simulation, Shifts(encoder_offset=tuple(offset)), TARGET)
    np.testing.assert_allclose(simulation.joint_positions(), TARGET, atol=0.01)
    np.testing.assert_allclose(true, TARGET - offset, atol=0.01)


def test_an_actuator_gain_scales_the_displacement_from_home(simulation: Simulation) -> None:
    gain = np.array([0.5, 1.5, 0.8, 1.2, 2.0, 0.6])
    true = settled(simulation, Shifts(actuator_gain=tuple(gain)), TARGET)
    np.testing.assert_allclose(true, np.array(HOME) + gain * (TARGET - np.array(HOME)), atol=0.01)


@settings(deadline=None)
@given(shifts=ANY_SHIFTS, target=vectors(6, -2.0, 2.0))
def test_the_command_for_a_target_leads_to_that_target(shifts: Shifts, target: tuple[float, ...]) -> None:
    np.testing.assert_allclose(shifts.target(shifts.command(np.array(target))), target, atol=1e-9)


@settings(deadline=None)
@given(shifts=ANY_SHIFTS, command=vectors(6, -2.0, 2.0))
def test_the_gain_matrix_is_the_derivative_of_the_target(shifts: Shifts, command: tuple[float, ...]) -> None:
    here = np.array(command)
    moved = np.stack([shifts.target(here + step) - shifts.target(here) for step in np.eye(6)], axis=1)
    np.testing.assert_allclose(moved, shifts.gain_matrix(), atol=1e-9)
    np.testing.assert_allclose(shifts.target(np.stack([here, here + 1])), [shifts.target(here), shifts.target(here + 1)], atol=1e-12)


def test_a_coupling_moves_a_joint_by_its_part_of_another_joints_displacement(simulation: Simulation) -> None:
    coupling = np.zeros((6, 6))
    coupling[0, 1], coupling[2, 3] = 0.2, -0.1
    true = settled(simulation, Shifts(cross_coupling=tuple(coupling.ravel().tolist())), TARGET)
    displacement = TARGET - np.array(HOME)
    expected = TARGET + np.array([0.2 * displacement[1], 0, -0.1 * displacement[3], 0, 0, 0])
    np.testing.assert_allclose(true, expected, atol=0.01)


def test_backlash_leaves_a_joint_half_of_it_behind_on_the_side_it_comes_from(simulation: Simulation) -> None:
    play = Shifts(backlash=0.1)
    direction = np.sign(TARGET - np.array(HOME))
    np.testing.assert_allclose(settled(simulation, play, TARGET), TARGET - 0.05 * direction, atol=0.01)
    simulation.command(TARGET + 0.09 * direction)
    simulation.advance(2.0)
    further = simulation.true_joint_positions()
    simulation.command(TARGET)
    simulation.advance(2.0)
    np.testing.assert_allclose(simulation.true_joint_positions(), further, atol=1e-3)


@pytest.mark.parametrize("delay", [0.0, 0.1, 0.25])
def test_a_delayed_command_takes_effect_at_its_time_and_no_step_earlier(simulation: Simulation, delay: float) -> None:
    def trajectory(shifts: Shifts, steps: int) -> NDArray[np.float64]:
        simulation.set_shifts(shifts)
        simulation.reset(0)
        simulation.advance(0.1)
        before = simulation.joint_positions()[0]
        simulation.command(TARGET)
        moved = []
        for _ in range(steps):
            simulation.step()
            moved.append(simulation.joint_positions()[0] - before)
        return np.array(moved)

    steps = round(delay / TIMESTEP)
    delayed = trajectory(Shifts(action_delay=delay), steps + 60)
    assert np.abs(delayed[:steps]).max(initial=0.0) < 1e-6
    assert delayed[steps] > 1e-4
    np.testing.assert_allclose(delayed[steps:], trajectory(NO_SHIFTS, 60), atol=1e-4)


def test_commands_under_delay_keep_their_order(simulation: Simulation) -> None:
    simulation.set_shifts(Shifts(action_delay=0.2))
    simulation.reset(0)
    simulation.command(TARGET)
    simulation.advance(0.1)
    simulation.command(np.array(HOME))
    simulation.advance(0.2)
    assert simulation.joint_positions()[0] > 0.1
    simulation.advance(1.5)
    np.testing.assert_allclose(simulation.joint_positions(), HOME, atol=0.01)


def test_a_payload_bends_the_shoulder_by_its_torque_about_it(simulation: Simulation) -> None:
    unloaded = settled(simulation, NO_SHIFTS, OUTSTRETCHED)
    loaded = settled(simulation, Shifts(payload=0.2), OUTSTRETCHED)
    lever = np.linalg.norm(simulation.kinematics.tip(loaded)[:2]) - simulation.kinematics.shoulder_radius
    stiffness = -mujoco.MjModel.from_xml_path(PATH).actuator("shoulder_lift").biasprm[1]
    assert loaded[1] - unloaded[1] == pytest.approx(0.2 * 9.81 * lever / stiffness, rel=0.02)


def scene(simulation: Simulation, shifts: Shifts, camera: str = "scene") -> NDArray[np.float64]:
    simulation.set_shifts(shifts)
    simulation.reset(0)
    return simulation.render(camera).astype(np.float64)


def test_light_scales_brightness(simulation: Simulation) -> None:
    assert scene(simulation, Shifts(light=0.5)).mean() == pytest.approx(0.5 * scene(simulation, NO_SHIFTS).mean(), rel=0.05)


@pytest.mark.parametrize("camera", CAMERAS)
def test_a_colour_cast_scales_each_channel(simulation: Simulation, camera: str) -> None:
    cast = scene(simulation, Shifts(colour_cast=(0.5, 1.0, 0.8)), camera)
    np.testing.assert_allclose(cast, scene(simulation, NO_SHIFTS, camera) * [0.5, 1.0, 0.8], atol=0.5)


def test_sensor_noise_has_its_standard_deviation_and_differs_from_frame_to_frame(simulation: Simulation) -> None:
    clean = scene(simulation, NO_SHIFTS)
    noisy = scene(simulation, Shifts(sensor_noise=8.0))
    mid = (clean > 60) & (clean < 190)
    assert (noisy - clean)[mid].std() == pytest.approx(8.0, rel=0.05)
    assert (simulation.render("scene") != noisy).any()


def test_a_moved_scene_camera_moves_the_picture_and_not_the_wrist_camera(simulation: Simulation) -> None:
    plain, wrist = scene(simulation, NO_SHIFTS), scene(simulation, NO_SHIFTS, "wrist")
    moved = Shifts(camera_position=(0.0, 0.05, 0.0))
    assert np.abs(scene(simulation, moved) - plain).mean() > 1.0
    np.testing.assert_array_equal(scene(simulation, moved, "wrist"), wrist)


def test_a_camera_turned_to_its_right_sees_the_scene_further_left(simulation: Simulation) -> None:
    def red_column(shifts: Shifts) -> float:
        image = scene(simulation, shifts)
        mask = image[:, :, 0] > 1.8 * image[:, :, 1:].max(axis=2) + 20
        return float(np.nonzero(mask)[1].mean())

    assert red_column(NO_SHIFTS) - red_column(Shifts(camera_rotation=(0.0, -0.05, 0.0))) == pytest.approx(0.05 * 132, abs=1.5)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("light", math.nan, "nan must be a finite number from 0.1 to 3.0"),
        ("light", 0.0, "0.0 must be a finite number from 0.1 to 3.0"),
        ("light", "bright", "'bright' must be a finite number"),
        ("payload", -0.1, "-0.1 must be a finite number from 0.0 to 0.5"),
        ("action_delay", 0.6, "0.6 must be a finite number from 0.0 to 0.5"),
        ("sensor_noise", math.inf, "inf must be a finite number from 0.0 to 60.0"),
        ("camera_position", (0.0, 0.0, 0.4), "0.4 must be a finite number from -0.3 to 0.3"),
        ("encoder_offset", 0.1, "must be a tuple of 6 numbers, like its default"),
        ("actuator_gain", (1.0,) * 5, "must be a tuple of 6 numbers, like its default"),
        ("colour_cast", [1.0, 1.0, 1.0], "must be a tuple of 3 numbers, like its default"),
        ("cross_coupling", (0.0,) * 35, "must be a tuple of 36 numbers, like its default"),
        ("cross_coupling", (0.0, 0.4, *(0.0,) * 34), "0.4 must be a finite number from -0.3 to 0.3"),
        ("bent_hand", (0.0, 0.06), "0.06 must be a finite number from -0.05 to 0.05"),
        ("backlash", -0.01, "-0.01 must be a finite number from 0.0 to 0.3"),
        ("lens_smear", 1.1, "1.1 must be a finite number from 0.0 to 1.0"),
        ("dropped_frames", 1.0, "1.0 must be a finite number from 0.0 to 0.95"),
        ("severity", 6, "6 must be a finite number from 0 to 5"),
        ("severity", 2.5, "2.5 must be a whole number from 0 to 5"),
        ("corruption", "rain", "'rain' must be empty or one of: gaussian_noise, "),
        ("corruption", 3.0, "3.0 must be empty or one of: gaussian_noise, "),
    ],
)
def test_a_shift_out_of_range_is_refused_by_name_value_and_limit(field: str, value: Any, message: str) -> None:
    with pytest.raises(SimulationError, match=f"shift '{field}' = ") as refused:
        Shifts(**{field: value})
    assert message in str(refused.value)
