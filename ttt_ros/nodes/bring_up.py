"""Leading lifecycle nodes of other processes through their transitions."""

import time

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.executors import Executor
from rclpy.node import Node

from ttt_ros.errors import TttRosError

BRING_UP_TIMEOUT = 60.0  # s for one step; a cold start imports torch from disk


_ASK_AGAIN = 0.5  # s


class BringUpError(TttRosError):
    """A node did not come up."""


def bring_up(node: Node, executor: Executor, name: str, *, timeout: float) -> None:
    """Configures and activates the lifecycle node ``name``, spinning ``executor`` meanwhile; ``timeout`` seconds for each step.

    Raises:
        BringUpError: it did not appear, did not answer, or refused a transition.
    """
    _wait_until_it_answers(node, executor, name, timeout=timeout)
    client = node.create_client(ChangeState, f"{name}/change_state")
    try:
        for label, transition in (("configure", Transition.TRANSITION_CONFIGURE), ("activate", Transition.TRANSITION_ACTIVATE)):
            client.wait_for_service(timeout)
            answer = client.call_async(ChangeState.Request(transition=Transition(id=transition)))
            executor.spin_until_future_complete(answer, timeout)
            if not answer.done():
                raise BringUpError(f"node {name} did not answer '{label}' within {timeout:g} s; see its log")
            if not answer.result().success:
                raise BringUpError(f"node {name} refused to {label}; its log says why")
    finally:
        node.destroy_client(client)


def _wait_until_it_answers(node: Node, executor: Executor, name: str, *, timeout: float) -> None:
    """Asks for the state until there is an answer: the service of a node that was killed is listed for a while, and takes requests to its
    grave that are meant for the node that came in its place."""
    end = time.monotonic() + timeout
    client = node.create_client(GetState, f"{name}/get_state")
    try:
        while time.monotonic() < end:
            if not client.wait_for_service(_ASK_AGAIN):
                continue
            answer = client.call_async(GetState.Request())
            executor.spin_until_future_complete(answer, _ASK_AGAIN)
            if answer.done():
                return
    finally:
        node.destroy_client(client)
    raise BringUpError(f"node {name} did not appear within {timeout:g} s; see its log")
