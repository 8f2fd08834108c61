"""What must hold at every tick and of every report, whatever goes wrong."""

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ttt_ros.adaptation.report import WindowReport
from ttt_ros.control.limits import ROUNDING
from ttt_ros.control.loop import Command, Outcome
from ttt_ros.control.orders import Order
from ttt_ros.control.schedule import Chunk, Positions
from ttt_ros.control.session import Session, SessionConfig
from ttt_ros.evaluation.soak.policy import SPECIFICATION, SoakPolicy
from ttt_ros.policies.checksum import tensor_checksum
from ttt_ros.safeguard.ladder import Mode

_DRIFT_ROUNDING = 1e-5
_REMEMBERED = 256
"""Outcomes whose permit is remembered: more than a window and its queue can hold."""

LONGEST = 512
"""Entries in any container of the product; the longest that are meant to be have some hundred."""

_DEEPEST = 12


class ViolationError(AssertionError):
    """Something does not hold that must always hold; the message says what, and under which faults."""


class Invariants:
    """Looks at what comes out of a session, and raises ViolationError at the first thing that must not be."""

    def __init__(self, policy: SoakPolicy, config: SessionConfig) -> None:
        """Begins with the base in force."""
        self._policy = policy
        self._config = config
        self._limits = config.limits.select(SPECIFICATION.joint_names)
        self._base = tensor_checksum(policy.base_fast_weights())
        self._last: Positions | None = None
        self._highest = self._outcomes = 0
        self._unpermitted: deque[int] = deque(maxlen=_REMEMBERED)

    def outcome(self, outcome: Outcome, order: Order) -> Outcome:
        """A transition is handed to the adaptation: permitted only if the order in force says so.

        Returns:
            the same with a number of its own for a stamp, by which the report tells it: stamps recur when frames or the clock do.
        """
        _demand(
            not outcome.permitted or (order.permit and order.mode == Mode.ADAPTING),
            "a transition counts as permitted in mode {}, permit {}",
            order.mode.label,
            order.permit,
        )
        self._outcomes += 1
        if not outcome.permitted:
            self._unpermitted.append(self._outcomes)
        return replace(outcome, before=replace(outcome.before, stamp=self._outcomes))

    def command(self, command: Command, *, ordered: Order) -> None:
        """A control tick has decided under the order delivered last, whether that is still valid or not."""
        _demand(command.mode >= ordered.mode, "mode {} is better than the ordered {}", command.mode.label, ordered.mode.label)
        _demand((command.positions is None) or command.mode < Mode.STOP, "something is commanded in mode stop")
        if command.positions is None:
            self._last = None
            return
        positions, limits = command.positions, self._limits
        _demand(bool(np.isfinite(positions).all()), "command {} is not finite", positions)
        inside = (positions >= limits.lower - ROUNDING) & (positions <= limits.upper + ROUNDING)
        _demand(bool(inside.all()), "command {} is beyond the joint limits", positions)
        if self._last is not None:
            steps = np.abs(positions - self._last)
            largest = np.minimum(limits.max_step, limits.max_velocity * SPECIFICATION.period) + ROUNDING
            _demand(bool((steps <= largest).all()), "steps {} between two commands are beyond {}", steps, largest)
        self._last = positions

    def chunk(self, chunk: Chunk) -> None:
        """A chunk was scheduled."""
        _demand(chunk.version >= 0, "chunk of version {}", chunk.version)

    def report(self, report: WindowReport, session: Session) -> None:
        """A window was worked on."""
        adaptation = self._config.adaptation
        _demand(report.samples <= adaptation.window, "a window of {} transitions, limit {}", report.samples, adaptation.window)
        _demand(report.queue_depth <= adaptation.queue_size, "{} windows wait, limit {}", report.queue_depth, adaptation.queue_size)
        if not report.committed:
            return
        _demand(report.version > self._highest, "version {} was committed after {}", report.version, self._highest)
        self._highest = report.version
        _demand(report.stamps[-1] not in self._unpermitted, "version {} was committed without permit", report.version)
        limit = session.learner.config.drift_limit
        drift = max(report.drift_per_module.values())
        _demand(drift <= max(limit, adaptation.drift_limit) + _DRIFT_ROUNDING, "a drift of {}, limit {}", drift, limit)
        _demand(np.isfinite(report.update_norm), "version {} was committed with an update of {}", report.version, report.update_norm)

    def sizes(self, session: Session) -> None:
        """Queues, ring and schedule are no longer than they may be."""
        adaptation = self._config.adaptation
        _demand(session.adaptation.waiting <= adaptation.queue_size, "{} windows wait", session.adaptation.waiting)
        _demand(len(session.store) <= adaptation.versions, "{} versions are kept", len(session.store))
        _demand(session.schedule.remaining <= SPECIFICATION.horizon, "{} steps are scheduled", session.schedule.remaining)
        _demand(not session.adaptation.halted, "adaptation is halted: {}", session.adaptation.halted)
        _demand(session.adaptation.alive, "the adaptation thread is dead")

    def base(self, session: Session) -> None:
        """The base is what it was, bit for bit, in the store and in the policy."""
        _demand(tensor_checksum(session.store.base.weights) == self._base, "the weights of version 0 have changed")
        _demand(self._policy.state_checksum() == self._policy.checksum, "the policy's own weights have changed")

    def histories(self, roots: Mapping[str, object]) -> None:
        """No container that the product keeps, reached from ``roots``, holds more than LONGEST entries."""
        for name, root in roots.items():
            length, where = longest_container(root)
            _demand(length <= LONGEST, "{}{} holds {} entries, limit {}", name, where, length, LONGEST)


def longest_container(root: object) -> tuple[int, str]:
    """The length of the longest container that objects of this package hold, and where it is, as attributes from ``root`` on."""
    longest, seen = (0, ""), {id(root)}
    waiting: list[tuple[object, str, int]] = [(root, "", 0)]
    while waiting:
        value, where, depth = waiting.pop()
        children: list[tuple[object, str]] = []
        if isinstance(value, (list, tuple, set, frozenset, deque, dict, Counter)):
            longest = max(longest, (len(value), where))
            items = list(value.items()) if isinstance(value, dict) else list(enumerate(list(value)))
            children = [(item, f"{where}[{key!r}]") for key, item in items]
        elif type(value).__module__.startswith("ttt_ros."):
            children = [(item, f"{where}.{key}") for key, item in list(getattr(value, "__dict__", {}).items())]
        for child, name in children:
            if depth < _DEEPEST and id(child) not in seen:
                seen.add(id(child))
                waiting.append((child, name, depth + 1))
    return longest


def _demand(holds: bool, otherwise: str, *values: object) -> None:
    if not holds:
        raise ViolationError(otherwise.format(*values))
