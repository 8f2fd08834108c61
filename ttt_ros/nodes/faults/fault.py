"""What a fault is: how it is injected and removed, how its reaction is seen and in what time it must be, and what protects from it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from ttt_ros.evaluation.faults.records import Net
from ttt_ros.nodes.faults.rig import Rig

CAMERA = "scene"

HEARTBEATS = 0.2
"""Two heartbeat periods of the safeguard, s."""

TICK = 1 / 30 + 0.01
"""The reactive policy's control period, and that of the simulation's clock, by which a tick may be late; s."""

STEPS_OF_A_CHUNK = 8
"""Control periods from one chunk to the next, which is asked for when as many of 16 steps are left, as in config/policy_node_reactive.yaml;
the test of the catalogue compares them."""

BOTH_NETS = 1.2
"""Seconds that a sensor's fault stays on, so that the safeguard notices as well what the policy node has noticed before it."""

MAX_CAMERA_AGE, MAX_JOINT_AGE = 0.2, 0.1  # s, as in config/policy_node_reactive.yaml; the test of the catalogue compares them

SAFEGUARD_CAMERA_AGE, SAFEGUARD_JOINT_AGE = 0.5, 0.2
"""Seconds, as in config/safeguard_reactive.yaml; the test of the catalogue compares them."""

AGE_HEARTBEATS = 0.3
"""Three heartbeat periods, s: as many in a row must find an age beyond the safeguard's limit, as that test compares as well."""

MAX_STUCK = 0.3
"""Rad that a joint may move under one picture, as in config/safeguard_reactive.yaml; the test of the catalogue compares them."""

CHUNK = 1.0
"""Seconds within which a window follows upon the one before: a chunk is asked for every quarter of a second."""


@dataclass(frozen=True, kw_only=True)
class Injection:
    """When a fault began.

    Attributes:
        at: ``time.monotonic``.
        last: nanoseconds of the newest stamp of each stream that was passed on before it.
    """

    at: float
    last: Mapping[str, int]


Reaction = Callable[[Rig, Injection], float | None]
"""Seconds from a fault to the reaction that is asked for; None while it is not seen."""


@dataclass(frozen=True, kw_only=True)
class Protection:
    """What ``--without`` switches off.

    Attributes:
        parameters: of the policy node.
        rules: signals whose rules are left out.
        patches: see ``unprotected``.
    """

    parameters: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    rules: tuple[str, ...] = ()
    patches: tuple[str, ...] = ()

    @property
    def in_both_nets(self) -> bool:
        """Whether the policy node and the safeguard each have a part in it."""
        return bool(self.rules) and bool(self.parameters or self.patches)

    def beside(self, net: Net) -> "Protection":
        """The part that the other net has in it, without which ``net`` stands alone."""
        return Protection(rules=self.rules) if net is Net.POLICY else Protection(parameters=self.parameters, patches=self.patches)


def nothing(_rig: Rig) -> None:
    return None


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One way to break the system.

    Attributes:
        name: as it is called on the command line.
        injected: how, in words.
        demand: the reaction that is asked for, in words.
        inject: breaks it.
        remove: ends the fault; then the run must go on.
        reaction: tells when the reaction was seen.
        deadline: seconds within which it must be.
        begins_within: seconds that what the reaction is counted from may take to happen, where that is not the injection.
        lasts: seconds that the fault stays on at least, so that what must not happen has time to happen.
        protection: without which the trial must fail.
        safeguard_later: seconds by which the reaction may come later with the safeguard alone: it hears at its own heartbeat, and its
            limits may be wider.
        unheld: why a net cannot hold it alone although both have a part in the protection.
    """

    name: str
    injected: str
    demand: str
    inject: Callable[[Rig], None]
    remove: Callable[[Rig], None] = nothing
    reaction: Reaction
    deadline: float
    begins_within: float = 0.0
    lasts: float = 0.0
    protection: Protection
    safeguard_later: float = HEARTBEATS
    unheld: Mapping[Net, str] = field(default_factory=lambda: MappingProxyType({}))

    def held_alone_by(self, net: Net) -> bool:
        """Whether ``net`` must hold it alone."""
        return self.protection.in_both_nets and net not in self.unheld

    def alone(self, net: Net) -> "Fault":
        """The same with the time that ``net`` has for it alone."""
        return replace(self, deadline=self.deadline + (self.safeguard_later if net is Net.SAFEGUARD else 0.0))
