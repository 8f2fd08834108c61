"""Telling people of a change of mode."""

from collections.abc import Sequence

from rclpy.node import Node

from ttt_ros.safeguard.ladder import Mode


def in_words(mode: Mode, reasons: Sequence[str]) -> str:
    """The mode and why it is no better."""
    return f"mode {mode.label}" + (f": {'; '.join(reasons)}" if reasons else "")


def log_mode(node: Node, mode: Mode, reasons: Sequence[str]) -> None:
    """Logs a change to ``mode``: worse ones than adapting as a warning."""
    if mode == Mode.ADAPTING:
        node.get_logger().info(in_words(mode, reasons))
    else:
        node.get_logger().warning(in_words(mode, reasons))
