"""The policy that comes with the package."""

from pathlib import Path

SHIPPED_POLICY = Path(__file__).parent / "checkpoints" / "desk_arm.safetensors"
"""Checkpoint of the simulated desk arm; its model card lies beside it."""
