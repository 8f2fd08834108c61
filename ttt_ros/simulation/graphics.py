"""Which GL library the simulation renders with."""

import ctypes.util
import importlib
import os
import sys
from typing import Any

from ttt_ros.errors import SimulationError

_LIBRARIES = {"egl": ("EGL", "OpenGL"), "osmesa": ("OSMesa",)}
_REMEDY = "install the Debian packages libegl1 libopengl0 libgl1-mesa-dri, or libosmesa6 and set MUJOCO_GL=osmesa"


def choose_backend() -> None:
    """Sets the environment variable MUJOCO_GL to ``egl``, which needs no display, unless the user has set it.

    Where the library is missing, it is set to ``disabled``: MuJoCo could not even be imported otherwise, and physics needs no GL.
    """
    if sys.platform != "linux":
        return
    backend = os.environ.get("MUJOCO_GL", "egl").strip().lower()
    missing = any(ctypes.util.find_library(name) is None for name in _LIBRARIES.get(backend, ()))
    os.environ["MUJOCO_GL"] = "disabled" if missing else backend


def make_current_context(*, height: int, width: int) -> Any:
    """Makes a GL context for images of that size, in pixels, and makes it the current one of this thread.

    The chosen backend holds even if somebody imported MuJoCo before it was chosen.

    Raises:
        SimulationError: no GL library can be used; the message names the packages to install.
    """
    backend = os.environ.get("MUJOCO_GL", "")
    module = importlib.import_module(f"mujoco.{backend}" if backend in _LIBRARIES else "mujoco.gl_context")
    if not hasattr(module, "GLContext"):
        raise SimulationError(f"rendering is disabled, because the GL library is missing or by MUJOCO_GL={backend}; {_REMEDY}")
    try:
        context = module.GLContext(width, height)
        context.make_current()
    except (ImportError, RuntimeError) as error:
        raise SimulationError(f"the GL library '{backend}' cannot make a context ({error}); {_REMEDY}") from error
    return context
