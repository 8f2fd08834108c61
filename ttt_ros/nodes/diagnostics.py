"""Building the messages of /diagnostics (REP-107)."""

from collections.abc import Mapping

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node

PERIOD = 1.0  # s


def status(node: Node, subject: str, level: bytes, message: str, values: Mapping[str, object]) -> DiagnosticStatus:
    """One status, named after the node and its subject; numbers are written with six significant digits."""
    return DiagnosticStatus(
        level=level,
        name=f"{node.get_name()}: {subject}",
        message=message,
        hardware_id=node.get_fully_qualified_name(),
        values=[KeyValue(key=key, value=f"{each:.6g}" if isinstance(each, float) else str(each)) for key, each in values.items()],
    )


def array(node: Node, statuses: list[DiagnosticStatus]) -> DiagnosticArray:
    """The array to publish, stamped now."""
    message = DiagnosticArray(status=statuses)
    message.header.stamp = node.get_clock().now().to_msg()
    return message
