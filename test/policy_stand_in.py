"""A policy node's outputs, made by hand, for the safeguard to judge."""

from ros_graph import Graph
from ttt_ros.msg import ActionChunk, AdaptationStatus

CLEAN = {"gradient_norm": 1.0, "drift": 0.01, "action_deviation": 0.01, "prediction_loss": 0.5}


class PolicyStandIn:
    """Publishes on the private topics of a node called ``policy``."""

    def __init__(self, graph: Graph) -> None:
        """Waits until somebody listens."""
        self._chunks = graph.publisher(ActionChunk, "policy/action_chunk")
        self._statuses = graph.publisher(AdaptationStatus, "policy/adaptation_status")
        self.version = 0

    def act(self) -> None:
        """Publishes a chunk."""
        self._chunks.publish(ActionChunk(weights_version=self.version, feature_deviation=-1.0))

    def adapt(self, *, committed: bool = True, **figures: float) -> None:
        """Publishes the status of one window: a clean one but for ``figures``."""
        self.version += committed
        self._statuses.publish(AdaptationStatus(committed=committed, weights_version=self.version, **(CLEAN | figures)))
