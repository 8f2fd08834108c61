"""Where the cubes and the mark lie at the start of an episode."""

import math
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

COLOURS = ("red", "green", "blue")

CUBE_HALF_SIZE = 0.018
"""Half the edge of a cube, m; the same in desk_arm.xml."""

PUSH_STATION = 0.06
"""Distance behind a cube's centre at which a push starts, m."""

_RADIUS = (0.16, 0.275)
_AZIMUTH = 0.62
_SPACING = 0.08
_PATH_CLEARANCE = 0.052
_STATION_RADIUS = (0.115, 0.325)
_MAX_YAW = 0.35


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Positions on the table.

    Attributes:
        cubes: (x, y) in m, float64 [3, 2], in the order of COLOURS.
        yaws: of the cubes about the vertical, rad, float64 [3].
        mark: (x, y) in m, float64 [2].
    """

    cubes: NDArray[np.float64]
    yaws: NDArray[np.float64]
    mark: NDArray[np.float64]


def draw_layout(generator: np.random.Generator) -> Layout:
    """Draws layouts until one is solvable: everything in reach and apart, and each cube can be pushed straight to the mark."""
    while True:
        places = _draw_places(generator, 4)
        layout = Layout(cubes=places[:3], mark=places[3], yaws=generator.uniform(-_MAX_YAW, _MAX_YAW, size=3))
        if _is_apart(places) and _can_be_pushed(layout):
            return layout


def draw_cubes(generator: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draws cubes in reach and apart, with no regard to pushing: places (x, y) in m, float64 [3, 2], and yaws, rad, float64 [3]."""
    while True:
        places = _draw_places(generator, len(COLOURS))
        if _is_apart(places):
            return places, generator.uniform(-_MAX_YAW, _MAX_YAW, size=len(COLOURS))


def push_station(cube: NDArray[np.float64], mark: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where a push of the cube to the mark starts: on the line through both, behind the cube; (x, y) in m."""
    along = mark - cube
    return np.asarray(cube - along * (PUSH_STATION / max(float(np.linalg.norm(along)), 1e-9)), dtype=np.float64)


def _draw_places(generator: np.random.Generator, count: int) -> NDArray[np.float64]:
    radii = np.sqrt(generator.uniform(_RADIUS[0] ** 2, _RADIUS[1] ** 2, size=count))
    azimuths = generator.uniform(-_AZIMUTH, _AZIMUTH, size=count)
    return np.stack([radii * np.cos(azimuths), radii * np.sin(azimuths)], axis=1)


def _is_apart(places: NDArray[np.float64]) -> bool:
    distances = np.linalg.norm(places[:, None] - places[None], axis=-1)
    return bool(distances[np.triu_indices(len(places), k=1)].min() >= _SPACING)


def _can_be_pushed(layout: Layout) -> bool:
    stations = [push_station(cube, layout.mark) for cube in layout.cubes]
    in_reach = all(_STATION_RADIUS[0] <= math.hypot(*station) <= _STATION_RADIUS[1] for station in stations)
    return in_reach and all(
        _distance_to_segment(layout.cubes[other], stations[pushed], layout.mark) >= _PATH_CLEARANCE
        for pushed, other in permutations(range(3), 2)
    )


def _distance_to_segment(point: NDArray[np.float64], start: NDArray[np.float64], end: NDArray[np.float64]) -> float:
    along = end - start
    fraction = np.clip(np.dot(point - start, along) / np.dot(along, along), 0.0, 1.0)
    return float(np.linalg.norm(point - start - fraction * along))
