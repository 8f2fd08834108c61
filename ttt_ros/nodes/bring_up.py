"""Leading lifecycle nodes of other processes through their transitions."""

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.executors import Executor
from rclpy.node import Node

from ttt_ros.errors import TttRosError

BRING_UP_TIMEOUT = 60.0  # s for one step; a cold start imports torch from disk


class BringUpError(TttRosError):
    """A node did not come up."""


def bring_up(node: Node, executor: Executor, name: str, *, timeout: float) -> None:
    """Configures and activates the lifecycle node ``name``, spinning ``executor`` meanwhile; ``timeout`` seconds for each step.

    Raises:
        BringUpError: it did not appear, did not answer, or refused a transition.
    """
    client = node.create_client(ChangeState, f"{name}/change_state")
    try:
        if not client.wait_for_service(timeout):
            raise BringUpError(f"node {name} did not appear within {timeout:g} s; see its log")
        for label, transition in (("configure", Transition.TRANSITION_CONFIGURE), ("activate", Transition.TRANSITION_ACTIVATE)):
            answer = client.call_async(ChangeState.Request(transition=Transition(id=transition)))
            executor.spin_until_future_complete(answer, timeout)
            if not answer.done():
                raise BringUpError(f"node {name} did not answer '{label}' within {timeout:g} s; see its log")
            if not answer.result().success:
                raise BringUpError(f"node {name} refused to {label}; its log says why")
    finally:
        node.destroy_client(client)
