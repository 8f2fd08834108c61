"""Ways to bring a fault in and to end it, that several faults share."""

from collections.abc import Callable

from ttt_ros.nodes.faults import faulty_policy, relay
from ttt_ros.nodes.faults.rig import Rig


def altered(stream: str, alteration: Callable[[], relay.Alteration]) -> Callable[[Rig], None]:
    def inject(rig: Rig) -> None:
        rig.relay.alterations[stream] = alteration()

    return inject


def all_altered(streams: Callable[[Rig], tuple[str, ...]], alteration: Callable[[], relay.Alteration]) -> Callable[[Rig], None]:
    def inject(rig: Rig) -> None:
        rig.relay.alterations |= {stream: alteration() for stream in streams(rig)}

    return inject


def pass_on(rig: Rig) -> None:
    rig.relay.reset()


def policy_behaves(rig: Rig) -> None:
    rig.command_policy(faulty_policy.NONE)
