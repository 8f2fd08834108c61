"""Policies from a checkpoint of this package, or from a function of the user's own."""

import importlib
from collections.abc import Callable
from pathlib import Path

from ttt_ros.errors import ConfigurationError
from ttt_ros.policies.checkpoint import load_policy
from ttt_ros.policies.protocol import Policy

PolicyFactory = Callable[[Path, str], Policy]
"""Takes the path of a checkpoint and a torch device, and returns a policy ready to serve."""


def create_policy(path: Path, *, device: str, factory: str = "") -> Policy:
    """Creates a policy.

    Args:
        path: of the checkpoint, in the format that the factory reads.
        device: torch device.
        factory: ``module:function`` of a PolicyFactory, imported from the Python path; empty: the built-in policy's loader.

    Raises:
        CheckpointError: see ``load_policy``.
        ConfigurationError: there is no such module or function.
    """
    if not factory:
        return load_policy(path, device=device)
    module, _, function = factory.partition(":")
    try:
        create: PolicyFactory = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigurationError(
            f"policy factory '{factory}' cannot be imported ({error}); write it as module:function and put the module on the Python path"
        ) from None
    return create(path, device)
