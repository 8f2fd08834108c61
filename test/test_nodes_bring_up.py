"""Transitions of lifecycle nodes whose answers do not arrive."""

import threading
from collections.abc import Iterator

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.context import Context
from rclpy.executors import MultiThreadedExecutor, SingleThreadedExecutor
from rclpy.node import Node
from ros_graph import DEADLINE

from ttt_ros.nodes import bring_up
from ttt_ros.nodes.bring_up import BringUpError, change_state

pytestmark = pytest.mark.ros


class _Mute(Node):
    """Changes its state to ``becomes`` when asked to, but for the first ``ignores`` times, and does not answer before ``close``."""

    def __init__(self, context: Context) -> None:
        super().__init__("mute", context=context)
        self.becomes = self._state = State.PRIMARY_STATE_UNCONFIGURED
        self.ignores = 0
        self._closed = threading.Event()
        group = ReentrantCallbackGroup()
        self.create_service(ChangeState, "mute/change_state", self._change, callback_group=group)
        self.create_service(GetState, "mute/get_state", self._tell, callback_group=group)

    def close(self) -> None:
        self._closed.set()

    def _change(self, _request: ChangeState.Request, response: ChangeState.Response) -> ChangeState.Response:
        if self.ignores:
            self.ignores -= 1
        else:
            self._state = self.becomes
        self._closed.wait(DEADLINE)
        return response

    def _tell(self, _request: GetState.Request, response: GetState.Response) -> GetState.Response:
        response.current_state.id = self._state
        return response


@pytest.fixture
def context(ros_domain: int) -> Iterator[Context]:
    context = Context()
    context.init(domain_id=ros_domain)
    yield context
    context.shutdown()


@pytest.fixture
def mute(context: Context) -> Iterator[_Mute]:
    node = _Mute(context)
    executor = MultiThreadedExecutor(4, context=context)
    executor.add_node(node)
    thread = threading.Thread(target=executor.spin, daemon=True)
    thread.start()
    yield node
    node.close()
    executor.shutdown()
    thread.join(DEADLINE)
    node.destroy_node()


@pytest.mark.parametrize(("becomes", "succeeded"), [(State.PRIMARY_STATE_INACTIVE, True), (State.PRIMARY_STATE_UNCONFIGURED, False)])
def test_a_lost_answer_is_found_in_the_state(
    context: Context, mute: _Mute, monkeypatch: pytest.MonkeyPatch, becomes: int, succeeded: bool
) -> None:
    monkeypatch.setattr(bring_up, "_LOST", 0.4)
    mute.becomes = becomes
    assert asked_to_configure(context, timeout=DEADLINE) == succeeded


def test_a_lost_request_is_sent_again(context: Context, mute: _Mute, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bring_up, "_LOST", 0.4)
    mute.becomes, mute.ignores = State.PRIMARY_STATE_INACTIVE, 1
    assert asked_to_configure(context, timeout=DEADLINE)


def test_a_node_that_stays_in_the_transition_did_not_answer(context: Context, mute: _Mute, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bring_up, "_LOST", 0.4)
    mute.becomes = State.TRANSITION_STATE_CONFIGURING
    with pytest.raises(BringUpError, match="did not answer within 1 s"):
        asked_to_configure(context, timeout=1.0)


def asked_to_configure(context: Context, *, timeout: float) -> bool:
    node = Node("asking", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    try:
        return change_state(node, executor, "mute", Transition.TRANSITION_CONFIGURE, timeout=timeout)
    finally:
        executor.shutdown()
        node.destroy_node()
