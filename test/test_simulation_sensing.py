"""What the cameras make of a picture: smear, dropped frames, corruption."""

import numpy as np
import pytest
from numpy.typing import NDArray

from ttt_ros.simulation.engine import Simulation
from ttt_ros.simulation.sensing import CameraStream, seen
from ttt_ros.simulation.shifts import NO_SHIFTS, Shifts

GENERATOR = np.random.default_rng(0)
NOISY = GENERATOR.integers(0, 256, size=(96, 96, 3)).astype(np.uint8)


def frames(count: int) -> list[NDArray[np.uint8]]:
    return [np.full((8, 8, 3), number, np.uint8) for number in range(count)]


def test_without_shifts_the_picture_arrives_as_it_is() -> None:
    stream = CameraStream()
    for frame in frames(3):
        np.testing.assert_array_equal(stream.take(frame, NO_SHIFTS, GENERATOR), frame)


def test_a_smear_blurs_a_band_more_the_stronger_it_is_and_leaves_the_corners() -> None:
    weak, strong = (seen(NOISY, Shifts(lens_smear=strength), GENERATOR).astype(float) for strength in (0.3, 0.9))
    middle, corner = (slice(40, 56), slice(40, 56)), (slice(0, 8), slice(0, 8))
    assert strong[middle].std() < weak[middle].std() < NOISY[middle].std()
    np.testing.assert_allclose(strong[corner], NOISY[corner], atol=1)


def test_a_smear_keeps_a_plain_picture_plain() -> None:
    plain = np.full((40, 60, 3), 90, np.uint8)
    np.testing.assert_array_equal(seen(plain, Shifts(lens_smear=1.0), GENERATOR), plain)


def test_frames_are_dropped_as_often_as_asked_for_and_the_one_before_comes_instead() -> None:
    stream, generator = CameraStream(), np.random.default_rng(3)
    shown = [int(stream.take(frame, Shifts(dropped_frames=0.3), generator)[0, 0, 0]) for frame in frames(250)]
    assert shown[0] == 0
    assert all(value in (index, previous) for index, (value, previous) in enumerate(zip(shown, [0, *shown], strict=False)))
    assert 0.2 < np.mean([value != index for index, value in enumerate(shown)]) < 0.4


def test_a_cleared_stream_drops_nothing() -> None:
    stream, generator = CameraStream(), np.random.default_rng(0)
    for frame in frames(60):
        stream.clear()
        np.testing.assert_array_equal(stream.take(frame, Shifts(dropped_frames=0.9), generator), frame)


def test_a_caller_may_draw_on_a_frame_without_changing_the_next() -> None:
    stream, generator = CameraStream(), np.random.default_rng(0)
    stream.take(NOISY, Shifts(dropped_frames=0.95), generator)[:] = 0
    np.testing.assert_array_equal(stream.take(np.zeros_like(NOISY), Shifts(dropped_frames=0.95), generator), NOISY)


def test_a_corruption_acts_at_its_severity_and_not_at_none() -> None:
    pytest.importorskip("imagecorruptions", reason="imagecorruptions is not installed")
    np.testing.assert_array_equal(seen(NOISY, Shifts(corruption="contrast"), GENERATOR), NOISY)
    assert seen(NOISY, Shifts(corruption="contrast", severity=5), GENERATOR).std() < 0.2 * NOISY.std()


def test_frames_of_the_simulation_are_dropped_and_a_reset_starts_afresh() -> None:
    simulation = Simulation(cameras={"scene": (32, 32), "wrist": (32, 32)}, shifts=Shifts(dropped_frames=0.95, sensor_noise=5.0))
    first = simulation.render("scene")
    repeated = [(simulation.render("scene") == first).all() for _ in range(20)]
    assert repeated[0]
    simulation.reset(1)
    assert (simulation.render("scene") != first).any()
    simulation.close()
