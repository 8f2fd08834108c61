"""What the overhead camera sees: landmarks where the picture shows them, and no hand while the arm is parked."""

import math
from dataclasses import dataclass

import mujoco
import numpy as np
import pytest
from numpy.typing import NDArray

from ttt_ros.simulation.arm import PARKED
from ttt_ros.simulation.deployment import CAMERA, IMAGE_SIZE, Deployment
from ttt_ros.simulation.engine import MODEL_PATH
from ttt_ros.simulation.layout import COLOURS
from ttt_ros.simulation.rendering import OffscreenRenderer
from ttt_ros.simulation.robots import Range, Robot
from ttt_ros.simulation.shifted_model import apply_to_model
from ttt_ros.simulation.shifts import NO_SHIFTS, Shifts

CHANNELS = {"red": 0, "green": 1, "blue": 2}
NOMINAL = Robot(seed=0, properties=())


@dataclass(frozen=True)
class Fixed:
    """A robot with given shifts."""

    values: Shifts

    def shifts(self, goal_index: int) -> Shifts:
        return self.values


def deployment_with(shifts: Shifts) -> Deployment:
    return Deployment(Fixed(shifts), seed=0)  # type: ignore[arg-type]  # stands in for a robot


def cube_mask(image: NDArray[np.uint8], colour: str) -> NDArray[np.bool_]:
    others = np.delete(image.astype(int), CHANNELS[colour], axis=2).max(axis=2)
    return np.asarray(image[:, :, CHANNELS[colour]].astype(int) > others * 1.8 + 20)


def picture(deployment: Deployment) -> NDArray[np.uint8]:
    return np.asarray(deployment.observe().images[CAMERA].numpy())


@pytest.mark.parametrize(
    "shifts", [NO_SHIFTS, Shifts(camera_position=(0.02, -0.02, 0.02), camera_rotation=(0.03, -0.03, 0.06)), Shifts(light=0.7)]
)
def test_landmarks_are_where_the_picture_shows_the_cubes(shifts: Shifts) -> None:
    deployment = deployment_with(shifts)
    for index in range(4):
        deployment.begin_goal(index)
        image, landmarks = picture(deployment), deployment.landmarks()
        assert landmarks[:3, 2].tolist() == [1.0] * 3
        for colour, (column, row, _) in zip(COLOURS, landmarks[:3], strict=True):
            rows, columns = np.nonzero(cube_mask(image, colour))
            assert columns.mean() + 0.5 == pytest.approx((column + 1) / 2 * IMAGE_SIZE[1], abs=1.5)
            assert rows.mean() + 0.5 == pytest.approx((row + 1) / 2 * IMAGE_SIZE[0], abs=1.5)
    deployment.close()


def test_the_landmark_of_the_hand_lies_over_the_cube_that_is_pointed_at() -> None:
    nominal = Deployment(NOMINAL, seed=5)
    for index in range(4):
        nominal.park()
        nominal.begin_goal(index)
        nominal.play(nominal.demonstration().chunk)
        landmarks = nominal.landmarks()
        cube = landmarks[COLOURS.index(nominal.task.colour)]
        assert math.dist(cube[:2], landmarks[3, :2]) < 0.12  # the tip is nearer to the camera than the cube


def painted_arm() -> mujoco.MjModel:
    """The model with a magenta hand, wrist and forearm, which no light changes."""
    specification = mujoco.MjSpec.from_file(str(MODEL_PATH))
    model = specification.compile()
    for geom in range(model.ngeom):
        if model.body(model.geom_bodyid[geom]).name in ("forearm", "wrist", "hand", "jaw"):
            model.geom_rgba[geom] = (1.0, 0.0, 1.0, 1.0)
    return model


def test_the_parked_hand_and_forearm_are_in_no_picture_of_any_robot() -> None:
    model = painted_arm()
    original, data = painted_arm(), mujoco.MjData(model)
    renderer = OffscreenRenderer(model, {CAMERA: IMAGE_SIZE})

    def magenta(shifts: Shifts, command: tuple[float, ...]) -> int:
        apply_to_model(shifts, model, original)
        data.qpos[:6] = shifts.target(np.array(command))
        mujoco.mj_forward(model, data)
        red, green, blue = renderer.render(data, CAMERA).astype(int).transpose(2, 0, 1)
        return int(((red > 2 * green + 20) & (blue > 2 * green + 20)).sum())

    robots = [NOMINAL, *(Robot(seed=seed, range=span) for seed in range(30) for span in Range)]
    assert [magenta(robot.shifts(0), PARKED) for robot in robots] == [0] * len(robots)
    assert magenta(NO_SHIFTS, (0.0, 0.0, 0.3, 1.5, 0.0, 0.0)) > 50
    renderer.close()


def test_a_bumped_camera_moves_the_picture_by_its_shift() -> None:
    here, there = deployment_with(NO_SHIFTS), deployment_with(Shifts(camera_position=(0.0, -0.02, 0.0)))
    moved = there.landmarks()[:3, :2] - here.landmarks()[:3, :2]
    half_view = (0.62 - 0.036) * math.tan(math.radians(22))
    np.testing.assert_allclose(moved, np.tile([-0.02 / half_view, 0.0], (3, 1)), atol=1e-5)
