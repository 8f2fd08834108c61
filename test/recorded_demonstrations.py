"""Synthetic demonstrations, made on the spot: a bright square whose place is the first joint's position."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from ttt_ros.training.datasets.episode import Episode, Layout
from ttt_ros.training.datasets.lerobot_info import Version
from ttt_ros.training.datasets.lerobot_writer import write_lerobot

JOINTS = ("shoulder", "elbow", "wrist")
HEIGHT, WIDTH = 64, 96
RATE = 10.0
LAYOUT = Layout(state_names=JOINTS, action_names=JOINTS, cameras={"top": (HEIGHT, WIDTH)}, rate=RATE)
TOLD = dataclasses.replace(LAYOUT, environment_names=("square_left", "square_top"))
"""The layout of ``told``."""
INSTRUCTIONS = ("lift the box", "lower the box")
ROWS = 24


def episode(number: int, *, rows: int = ROWS) -> Episode:
    """A swing of the arm; actions are the next positions."""
    phase = np.arange(rows + 1)[:, None] / 8 + number + np.arange(len(JOINTS))
    positions = 0.5 * np.sin(phase).astype(np.float32)
    return Episode(
        name=f"synthetic episode {number}",
        stamps=np.arange(rows, dtype=np.int64) * 100_000_000,
        states=positions[:-1],
        actions=positions[1:],
        instruction=INSTRUCTIONS[number % len(INSTRUCTIONS)],
        cameras={"top": [picture(float(position)) for position in positions[:-1, 0]]},
    )


def told(number: int) -> Episode:
    """The episode with a note of where the square is in the image."""
    plain = episode(number)
    left = np.round((plain.states[:, 0] + 0.5) * (WIDTH - 16))
    return dataclasses.replace(plain, environment=np.stack([left, np.full_like(left, 24)], axis=1))


def picture(position: float) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """What the camera sees of an arm whose first joint is at ``position``."""
    pixels = np.full((HEIGHT, WIDTH, 3), 40, dtype=np.uint8)
    column = round((position + 0.5) * (WIDTH - 16))
    pixels[24:40, column : column + 16] = (200, 120, 60)
    return pixels


def episodes(count: int) -> Iterator[Episode]:
    """Episodes of different lengths, one by one."""
    return (episode(number, rows=ROWS + number) for number in range(count))


def dataset(path: Path, *, count: int = 3, version: Version = "v3.0", images: Literal["png", "video"] = "png") -> Path:
    """A LeRobot data set of ``count`` such episodes in ``path``."""
    write_lerobot(path, episodes(count), layout=LAYOUT, version=version, images=images)
    return path
