"""Finding other nodes that command the same robot."""

import time

from lifecycle_msgs.srv import GetState
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

ANSWER_TIMEOUT = 1.0  # s; a live node on the same network answers within milliseconds
_LOOK_AGAIN = 0.05  # s
_ASK_AGAIN = 0.2  # s; an answer to a client that the server has not discovered yet is dropped


def live_publishers(node: Node, topic: str, *, own: int, wait: float) -> list[str]:
    """Full names of the nodes other than ``node`` that publish ``topic`` and are alive.

    DDS lists the publishers of a killed process until its lease ends, 20 s by default, so a lifecycle node that is listed is
    asked for its state, and one that does not answer is left out: a policy node must be able to come back after a crash.
    Called in a callback of ``node``, whose own services cannot answer meanwhile, even under the same name.

    Args:
        own: how many publishers of the topic ``node`` has itself.
        wait: seconds, if positive, in which one may still be discovered: if the first announcements of a node are missed, the next come
            after 3 s.
    """
    end = time.monotonic() + wait
    while not (live := _live_publishers(node, topic, own=own)) and time.monotonic() < end:
        time.sleep(_LOOK_AGAIN)
    return live


def _live_publishers(node: Node, topic: str, *, own: int) -> list[str]:
    publishers = node.get_publishers_info_by_topic(node.resolve_topic_name(topic))
    names = [f"{each.node_namespace.rstrip('/')}/{each.node_name}" for each in publishers]
    for _ in range(own):
        if node.get_fully_qualified_name() in names:
            names.remove(node.get_fully_qualified_name())
    return [name for name in names if _is_alive(node, name)]


def _is_alive(node: Node, name: str) -> bool:
    asker = Node(f"{node.get_name()}_asker", context=node.context, use_global_arguments=False, start_parameter_services=False)
    executor = SingleThreadedExecutor(context=node.context)
    try:
        executor.add_node(asker)
        client = asker.create_client(GetState, f"{name}/get_state")
        if not client.wait_for_service(ANSWER_TIMEOUT):
            return True  # not a lifecycle node: nothing shows that it is dead
        end = time.monotonic() + ANSWER_TIMEOUT
        while time.monotonic() < end:
            answer = client.call_async(GetState.Request())
            executor.spin_until_future_complete(answer, _ASK_AGAIN)
            if answer.done():
                return True
        return False
    finally:
        executor.shutdown()
        asker.destroy_node()
