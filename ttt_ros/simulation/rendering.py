"""Off-screen rendering of the simulation's cameras."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

from ttt_ros.errors import SimulationError
from ttt_ros.simulation import graphics

_MAX_GEOMS = 100


@dataclass(frozen=True, kw_only=True)
class CameraIntrinsics:
    """Pinhole model of a camera without distortion, in pixels: focal lengths and principal point."""

    fx: float
    fy: float
    cx: float
    cy: float


class OffscreenRenderer:
    """Renders fixed cameras of one model to arrays.

    A GL context belongs to the thread that made it: make, use and close a renderer in one thread.
    """

    def __init__(self, model: mujoco.MjModel, sizes: Mapping[str, tuple[int, int]]) -> None:
        """Makes a GL context large enough for all cameras.

        Args:
            model: its off-screen buffer is set to the largest size.
            sizes: (height, width) in pixels by camera name.

        Raises:
            SimulationError: no GL library can be used; the message names the packages to install.
        """
        self._thread = threading.get_ident()
        self._model = model
        self._sizes = dict(sizes)
        height, width = max(height for height, _ in sizes.values()), max(width for _, width in sizes.values())
        model.vis.global_.offheight, model.vis.global_.offwidth = height, width
        self._gl = graphics.make_current_context(height=height, width=width)
        self._context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)
        self._scene = mujoco.MjvScene(model, maxgeom=_MAX_GEOMS)
        self._option = mujoco.MjvOption()

    def render(self, data: mujoco.MjData, camera: str) -> NDArray[np.uint8]:
        """Returns a new RGB image, uint8 of shape (height, width, 3).

        Raises:
            SimulationError: called from another thread than the one that made the renderer.
        """
        self._make_current()
        view = mujoco.MjvCamera()
        view.type, view.fixedcamid = mujoco.mjtCamera.mjCAMERA_FIXED, self._model.camera(camera).id
        mujoco.mjv_updateScene(self._model, data, self._option, None, view, mujoco.mjtCatBit.mjCAT_ALL, self._scene)
        height, width = self._sizes[camera]
        viewport = mujoco.MjrRect(0, 0, width, height)
        mujoco.mjr_render(viewport, self._scene, self._context)
        bottom_up = np.empty((height, width, 3), np.uint8)
        mujoco.mjr_readPixels(bottom_up, None, viewport, self._context)
        return bottom_up[::-1].copy()

    def close(self) -> None:
        """Frees the GL context; must be called once, in the thread that made it."""
        self._make_current()
        self._context.free()
        self._gl.free()

    def _make_current(self) -> None:
        if threading.get_ident() != self._thread:
            raise SimulationError(
                "the renderer was made in another thread, and a GL context belongs to one thread; "
                "make the first render() call, every other one and close() in the same thread"
            )
        self._gl.make_current()
