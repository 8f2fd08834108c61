"""Leading lifecycle nodes of other processes through their transitions."""

import time
from collections.abc import Mapping
from types import MappingProxyType

from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.client import Client
from rclpy.executors import Executor
from rclpy.node import Node
from rclpy.task import Future

from ttt_ros.errors import TttRosError

BRING_UP_TIMEOUT = 60.0  # s for one step; a cold start imports torch from disk

_ASK_AGAIN = 0.5  # s
_LOST = 2.0  # s after which a missing answer is looked for in the node's state
_REQUESTS = 2
_SPIN = 0.02  # s

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

    Requests and answers to whom the sender has not discovered yet are dropped. So if no answer comes, the state tells what became of the
    request, and one that left the state as it was is sent a second time.

    Raises:
        BringUpError: neither came in time.
    """
    end = time.monotonic() + timeout
    client = node.create_client(ChangeState, f"{name}/change_state")
    try:
        _appears(client, executor, timeout)
        for _ in range(_REQUESTS):
            answer = client.call_async(ChangeState.Request(transition=Transition(id=transition)))
            state = _after_request(answer, node, executor, name, transition, end=end)
            if state == _LEADS_TO[transition]:
                return True
            if answer.done():
                return False
    finally:
        node.destroy_client(client)
    if state is None:
        raise BringUpError(f"node {name} did not answer within {timeout:g} s when asked for transition {transition}; see its log")
    return False


def _after_request(answer: Future, node: Node, executor: Executor, name: str, transition: int, *, end: float) -> int | None:
    """The state that a request led to, or left as it was; None if it did not show before ``end`` (``time.monotonic``)."""
    while (left := end - time.monotonic()) > 0:
        executor.spin_until_future_complete(answer, min(_LOST, left))
        if answer.done() and answer.result().success:
            return _LEADS_TO[transition]
        state = _state(node, executor, name)
        if state in _PRIMARY:
            return state
    return None


def _state(node: Node, executor: Executor, name: str) -> int | None:
    """Asks once; None if there is no answer soon."""
    client = node.create_client(GetState, f"{name}/get_state")
    try:
        if not _appears(client, executor, _ASK_AGAIN):
            return None
        answer = client.call_async(GetState.Request())
        executor.spin_until_future_complete(answer, _ASK_AGAIN)
        return int(answer.result().current_state.id) if answer.done() else None
    finally:
        node.destroy_client(client)


def _appears(client: Client, executor: Executor, timeout: float) -> bool:
    """Whether the service is there within ``timeout`` seconds; the executor's other work goes on meanwhile."""
    end = time.monotonic() + timeout
    while not client.service_is_ready():
        if time.monotonic() > end:
            return False
        executor.spin_once(timeout_sec=_SPIN)
    return True
