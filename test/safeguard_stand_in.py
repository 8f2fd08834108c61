"""A safeguard node's orders, given by hand."""

from builtin_interfaces.msg import Time
from ros_graph import Graph
from ttt_ros.msg import SafeguardState

from ttt_ros.nodes.quality_of_service import LATCHED

LONG = 10.0  # s of validity, the longest that the policy node takes


class SafeguardStandIn:
    """Publishes on the state topic of a node called ``safeguard``."""

    def __init__(self, graph: Graph) -> None:
        """Waits until somebody listens."""
        self._states = graph.publisher(SafeguardState, "safeguard/state", LATCHED)

    def order(self, mode: int, *, validity: float = LONG, trusted_version: int = 0, reasons: tuple[str, ...] = ()) -> None:
        """Orders ``mode``, with a permit if it is adapting; a reset has come before what is better than hold."""
        permit = mode == SafeguardState.ADAPTING
        self._order = SafeguardState(
            mode=mode,
            permit=permit,
            permit_validity=validity,
            trusted_version=trusted_version,
            reasons=list(reasons),
            reset=Time(sec=int(mode < SafeguardState.HOLD)),
        )
        self.send(self._order)

    def send(self, state: SafeguardState) -> None:
        """Publishes ``state``, whatever it holds."""
        self._states.publish(state)

    def repeat(self) -> None:
        """Gives the last order again if it is one that holds for long, so that it holds for a whole test."""
        if self._order.permit_validity == LONG:
            self.send(self._order)
