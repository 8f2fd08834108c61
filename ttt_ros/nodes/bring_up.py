"""Leading lifecycle nodes of other processes through their transitions."""

import time
from collections.abc import Mapping
from types import MappingProxyType

from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.executors import Executor
from rclpy.node import Node

from ttt_ros.errors import TttRosError

BRING_UP_TIMEOUT = 60.0  # s for one step; a cold start imports torch from disk

_ASK_AGAIN = 0.5  # s
_LOST = 2.0  # s after which a missing answer is looked for in the node's state

_LEADS_TO: Mapping[int, int] = MappingProxyType(
    {
        Transition.TRANSITION_CONFIGURE: State.PRIMARY_STATE_INACTIVE,
        Transition.TRANSITION_CLEANUP: State.PRIMARY_STATE_UNCONFIGURED,
        Transition.TRANSITION_ACTIVATE: State.PRIMARY_STATE_ACTIVE,
        Transition.TRANSITION_DEACTIVATE: State.PRIMARY_STATE_INACTIVE,
    }
)
_PRIMARY = (State.PRIMARY_STATE_UNCONFIGURED, State.PRIMARY_STATE_INACTIVE, State.PRIMARY_STATE_ACTIVE, State.PRIMARY_STATE_FINALIZED)


class BringUpError(TttRosError):
    """A node did not come up."""


def bring_up(node: Node, executor: Executor, name: str, *, timeout: float) -> None:
    """Configures and activates the lifecycle node ``name``, spinning ``executor`` meanwhile; ``timeout`` seconds for each step.

    Raises:
        BringUpError: it did not appear, did not answer, or refused a transition.
    """
    wait_until_it_answers(node, executor, name, timeout=timeout)
    for label, transition in (("configure", Transition.TRANSITION_CONFIGURE), ("activate", Transition.TRANSITION_ACTIVATE)):
        if not change_state(node, executor, name, transition, timeout=timeout):
            raise BringUpError(f"node {name} refused to {label}; its log says why")


def wait_until_it_answers(node: Node, executor: Executor, name: str, *, timeout: float) -> None:
    """Asks for the state until there is an answer: the service of a node that was killed is listed for a while, and takes requests to its
    grave that are meant for the node that came in its place.

    Raises:
        BringUpError: there was none in ``timeout`` seconds.
    """
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        if _state(node, executor, name) is not None:
            return
    raise BringUpError(f"node {name} did not appear within {timeout:g} s; see its log")


def change_state(node: Node, executor: Executor, name: str, transition: int, *, timeout: float) -> bool:
    """Asks the lifecycle node ``name`` for a transition, which it has ``timeout`` seconds for; says whether it succeeded.

    A server drops its answer to a client that it has not discovered yet. So if none comes, the state tells what became of the request; one
    that stays as it was tells so the second time, since the request may still be on its way.

    Raises:
        BringUpError: neither came in time.
    """
    end = time.monotonic() + timeout
    client = node.create_client(ChangeState, f"{name}/change_state")
    try:
        client.wait_for_service(timeout)
        answer = client.call_async(ChangeState.Request(transition=Transition(id=transition)))
        unchanged = 0
        while time.monotonic() < end:
            executor.spin_until_future_complete(answer, min(_LOST, timeout))
            state = None if answer.done() else _state(node, executor, name)
            if answer.done():
                return bool(answer.result().success)
            if state == _LEADS_TO[transition]:
                return True
            unchanged += state in _PRIMARY
            if unchanged == 2:
                return False
    finally:
        node.destroy_client(client)
    raise BringUpError(f"node {name} did not answer within {timeout:g} s when asked for transition {transition}; see its log")


def _state(node: Node, executor: Executor, name: str) -> int | None:
    """Asks once; None if there is no answer soon."""
    client = node.create_client(GetState, f"{name}/get_state")
    try:
        if not client.wait_for_service(_ASK_AGAIN):
            return None
        answer = client.call_async(GetState.Request())
        executor.spin_until_future_complete(answer, _ASK_AGAIN)
        return int(answer.result().current_state.id) if answer.done() else None
    finally:
        node.destroy_client(client)
