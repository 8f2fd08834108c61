"""Making an environment from its Gymnasium id or from a function of the user's own."""

import importlib
from collections.abc import Callable, Mapping
from typing import Any

import gymnasium

from ttt_ros.errors import SimulationError
from ttt_ros.simulation.foreign.description import EnvironmentTask
from ttt_ros.simulation.graphics import choose_backend


def make_environment(environment: str, task: EnvironmentTask) -> gymnasium.Env[Any, Any]:
    """Makes ``environment``, a Gymnasium id or ``module:function``, with the arguments of ``task``.

    An environment from an id renders to arrays, unless the arguments say otherwise.

    Raises:
        SimulationError: there is no such id, module or function, or it does not take the arguments.
    """
    choose_backend()
    try:
        made = _imported(environment)(**task.arguments) if ":" in environment else _registered(environment, task.arguments)
    except TypeError as error:
        raise SimulationError(f"'{environment}' does not take the arguments {dict(task.arguments)} ({error}); correct them") from error
    if not isinstance(made, gymnasium.Env):
        raise SimulationError(f"'{environment}' made a {type(made).__name__}, not a gymnasium.Env; return one")
    return made


def _imported(environment: str) -> Callable[..., object]:
    module, _, function = environment.partition(":")
    try:
        found: Callable[..., object] = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise SimulationError(
            f"the environment '{environment}' cannot be imported ({error}); write it as module:function, put the module on the Python "
            "path and install what it needs"
        ) from None
    return found


def _registered(environment: str, arguments: Mapping[str, Any]) -> object:
    try:
        return gymnasium.make(environment, **{"render_mode": "rgb_array", **arguments})
    except gymnasium.error.Error as error:
        raise SimulationError(f"Gymnasium cannot make '{environment}' ({error}); check the id, or write module:function") from None
