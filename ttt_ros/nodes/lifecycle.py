"""Running a node until a signal ends it, and lifecycle transitions that fail instead of raising."""

import signal
from collections.abc import Callable, Sequence
from threading import Event
from typing import TypeVar

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from ttt_ros.errors import TttRosError

_SPIN_TIMEOUT = 0.1  # s; bounds how long a signal waits, well inside the second that a shutdown may take

NodeType = TypeVar("NodeType", bound=Node)


def guarded(node: LifecycleNode, transition: Callable[[], None]) -> TransitionCallbackReturn:
    """Runs the body of a lifecycle transition; an exception is logged and becomes a failure of the transition."""
    try:
        transition()
    except TttRosError as error:
        node.get_logger().error(str(error))
        return TransitionCallbackReturn.FAILURE
    except Exception as error:  # a transition must never take the process down
        node.get_logger().error(f"unexpected {type(error).__name__} in a transition: {error}")
        return TransitionCallbackReturn.FAILURE
    return TransitionCallbackReturn.SUCCESS


def shut_down(node: LifecycleNode) -> None:
    """Runs the shutdown transition, unless it was run on request before."""
    if node._state_machine.current_state[1] != "finalized" and node.trigger_shutdown() == TransitionCallbackReturn.SUCCESS:
        node.get_logger().info("shut down")


def run(create: Callable[[], NodeType], *, close: Callable[[NodeType], None], arguments: Sequence[str] | None = None) -> int:
    """Creates a node, spins it in a single-threaded executor until SIGINT or SIGTERM, and closes it.

    Returns:
        The exit code of the process: 0 after a clean end, 1 after an error that the user can mend, which is logged.
    """
    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
    try:
        node = create()
        try:
            _spin(node, stop)
        finally:
            try:
                close(node)
            finally:
                node.destroy_node()
    except TttRosError as error:
        rclpy.logging.get_logger("ttt_ros").fatal(str(error))
        return 1
    finally:
        rclpy.try_shutdown()
    return 0


def _spin(node: Node, stop: Event) -> None:
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        while not stop.is_set():
            executor.spin_once(timeout_sec=_SPIN_TIMEOUT)
    except ExternalShutdownException:
        return
    finally:
        executor.shutdown()
