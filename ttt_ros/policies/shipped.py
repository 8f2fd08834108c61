"""The policies that come with the package; each has a model card beside it."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

_CHECKPOINTS = Path(__file__).parent / "checkpoints"

REACTIVE_POLICY = _CHECKPOINTS / "desk_arm_reactive.safetensors"
"""Touches and pushes, looking all the time: cloned, not trained to adapt."""

SHIPPED_POLICY = _CHECKPOINTS / "desk_arm.safetensors"
"""Points at things with one movement, and was meta-trained to adapt while it does."""

SHIPPED: Mapping[str, Path] = MappingProxyType({"desk_arm": SHIPPED_POLICY, "desk_arm_reactive": REACTIVE_POLICY})
"""By the name that a parameter file may give."""
