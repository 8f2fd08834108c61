"""Finding other nodes that command the same robot."""

from lifecycle_msgs.srv import GetState
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

ANSWER_TIMEOUT = 0.5  # s; a live node on the same network answers within milliseconds


def live_publishers(node: Node, topic: str, *, own: int) -> list[str]:
    """Full names of the nodes other than ``node`` that publish ``topic`` and are alive.

    DDS lists the publishers of a killed process until its lease ends, 20 s by default, so a lifecycle node that is listed is
    asked for its state, and one that does not answer is left out: a policy node must be able to come back after a crash.
    Called in a callback of ``node``, whose own services cannot answer meanwhile, even under the same name.

    Args:
        own: how many publishers of the topic ``node`` has itself.
    """
    publishers = node.get_publishers_info_by_topic(node.resolve_topic_name(topic))
    names = [f"{each.node_namespace.rstrip('/')}/{each.node_name}" for each in publishers]
    for _ in range(own):
        if node.get_fully_qualified_name() in names:
            names.remove(node.get_fully_qualified_name())
    return [name for name in names if _is_alive(node, name)] if names else []


def _is_alive(node: Node, name: str) -> bool:
    asker = Node(f"{node.get_name()}_asker", context=node.context, use_global_arguments=False, start_parameter_services=False)
    executor = SingleThreadedExecutor(context=node.context)
    try:
        executor.add_node(asker)
        client = asker.create_client(GetState, f"{name}/get_state")
        if not client.wait_for_service(ANSWER_TIMEOUT):
            return True  # not a lifecycle node: nothing shows that it is dead
        answer = client.call_async(GetState.Request())
        executor.spin_until_future_complete(answer, ANSWER_TIMEOUT)
        return bool(answer.done())
    finally:
        executor.shutdown()
        asker.destroy_node()
