"""How well a vision trunk reads pictures: measured in deployments, with everything that the robots hide."""

import time
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ttt_ros.policies.sight import Sight
from ttt_ros.simulation.deployment import CAMERA, Deployment
from ttt_ros.simulation.robots import Robot

VIEW_HALF_WIDTH_MM = 250.0
"""From the centre of the overhead image to its edge, on the table."""

_MISSES = np.array([0.1, 0.1, 0.1, 0.1, 0.1, 0.1])
_BATCH = 64
_TIMED = 50


@dataclass(frozen=True, kw_only=True)
class SightFigures:
    """Errors of position in mm on the table, medians and 95th percentiles, and how far the confidences can be relied on.

    Attributes:
        goals: number of goals, each with a picture before, the arm parked, and one at the end of a chunk.
        cube_median_mm, cube_p95_mm: of the cubes while the arm is parked.
        cube_beside_hand_median_mm, cube_beside_hand_p95_mm: of the cubes at the end, where the hand may hide one.
        hand_median_mm, hand_p95_mm: of the fingertip where it is in the image.
        cubes_found: share of the cubes with a confidence above 0.5 while the arm is parked.
        hand_told: share of all pictures in which the hand's confidence is above 0.5 if and only if the fingertip is in the image.
        milliseconds: for one picture by itself, median.
    """

    goals: int
    cube_median_mm: float
    cube_p95_mm: float
    cube_beside_hand_median_mm: float
    cube_beside_hand_p95_mm: float
    hand_median_mm: float
    hand_p95_mm: float
    cubes_found: float
    hand_told: float
    milliseconds: float


def measure_sight(sight: Sight, robot: Robot, *, goals: int, seed: int) -> SightFigures:
    """Shows ``sight`` the pictures of a deployment of ``robot``, whose chunks miss their cubes by some cm, as a policy's do."""
    images, landmarks = _deploy(robot, goals=goals, seed=seed)
    with torch.no_grad():
        found = torch.cat([sight(batch) for batch in torch.split(images, _BATCH)]).numpy()
    errors = np.linalg.norm(found[..., :2] - landmarks[..., :2], axis=-1) * VIEW_HALF_WIDTH_MM
    inside, believed = landmarks[..., 2] > 0.5, found[..., 2] > 0.5
    before, after = slice(0, None, 2), slice(1, None, 2)
    cubes, hand = slice(0, -1), -1
    cube, beside = errors[before, cubes][inside[before, cubes]], errors[after, cubes][inside[after, cubes]]
    tip = errors[:, hand][inside[:, hand]]
    return SightFigures(
        goals=goals,
        cube_median_mm=_percentile(cube, 50),
        cube_p95_mm=_percentile(cube, 95),
        cube_beside_hand_median_mm=_percentile(beside, 50),
        cube_beside_hand_p95_mm=_percentile(beside, 95),
        hand_median_mm=_percentile(tip, 50),
        hand_p95_mm=_percentile(tip, 95),
        cubes_found=float(believed[before, cubes].mean()),
        hand_told=float((believed[:, hand] == inside[:, hand]).mean()),
        milliseconds=_milliseconds(sight, images),
    )


def _deploy(robot: Robot, *, goals: int, seed: int) -> tuple[torch.Tensor, NDArray[np.float32]]:
    """Two pictures of each goal, before and after the chunk, and the landmarks in them: (2 goals, landmarks, 3)."""
    deployment = Deployment(robot, seed=seed)
    images, landmarks = [], []
    try:
        for goal in range(goals):
            deployment.begin_goal(goal)
            deployment.park()
            for moved in (False, True):
                if moved:
                    miss = _MISSES * np.random.default_rng([seed, goal, 1]).uniform(-1.0, 1.0, size=len(_MISSES))
                    deployment.play(deployment.demonstration().chunk + miss)
                images.append(deployment.observe().images[CAMERA])
                landmarks.append(deployment.landmarks())
    finally:
        deployment.close()
    return torch.stack(images), np.stack(landmarks)


def _percentile(values: NDArray[np.float32], percent: float) -> float:
    return round(float(np.percentile(values, percent)), 3)


@torch.no_grad()
def _milliseconds(sight: Sight, images: torch.Tensor) -> float:
    seconds = []
    for image in images[:_TIMED]:
        started = time.perf_counter()
        sight(image[None])
        seconds.append(time.perf_counter() - started)
    return round(float(np.median(seconds)) * 1000, 3)
