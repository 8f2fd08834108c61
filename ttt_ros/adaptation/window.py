"""The last transitions of the stream, as the batch that one update learns from."""

from collections import deque
from dataclasses import dataclass

from torch import Tensor

from ttt_ros.adaptation.origin import Passage
from ttt_ros.errors import AdaptationError
from ttt_ros.policies.transition import Transitions, concatenated


@dataclass(frozen=True, kw_only=True)
class Window:
    """Transitions from the oldest to the newest.

    Attributes:
        transitions: the batch.
        fresh: how many of the newest were in no window before; only these give an honest prediction loss.
        stamps: of each transition: nanoseconds of the observation before it.
        first: number of the oldest transition among all that the stream gave.
        passages: where each transition comes from; None where that is not known.

    Raises:
        AdaptationError: the counts do not fit each other.
    """

    transitions: Transitions
    fresh: int
    stamps: tuple[int, ...]
    first: int = 0
    passages: tuple[Passage | None, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= self.fresh <= len(self.transitions):
            raise AdaptationError(
                f"{self.fresh} of {len(self.transitions)} transitions cannot be fresh; it must be at least 1 and at most all"
            )
        if len(self.stamps) != len(self.transitions):
            raise AdaptationError(f"{len(self.stamps)} stamps for {len(self.transitions)} transitions; each needs its own")
        if self.passages and len(self.passages) != len(self.transitions):
            raise AdaptationError(f"{len(self.passages)} passages for {len(self.transitions)} transitions; each needs its own")


class TransitionWindow:
    """A sliding window over the stream."""

    def __init__(self, *, size: int, minimum: int = 1) -> None:
        """Holds the last ``size`` transitions and gives none out before there are ``minimum``."""
        self._transitions: deque[Transitions] = deque(maxlen=size)
        self._stamps: deque[int] = deque(maxlen=size)
        self._passages: deque[Passage | None] = deque(maxlen=size)
        self._minimum = minimum
        self._pushed = 0
        self._fresh = 0

    def push(self, transition: Transitions, *, stamp: int, passage: Passage | None = None) -> Window | None:
        """Adds one transition (batch of 1) and returns the window that ends with it, or None while there are too few.

        Raises:
            AdaptationError: the batch does not hold exactly one transition.
        """
        if len(transition) != 1:
            raise AdaptationError(f"a window takes one transition at a time, not {len(transition)}")
        self._transitions.append(transition)
        self._stamps.append(stamp)
        self._passages.append(passage)
        self._pushed += 1
        self._fresh = min(self._fresh + 1, len(self._transitions))
        if len(self._transitions) < self._minimum:
            return None
        fresh, self._fresh = self._fresh, 0
        return Window(
            transitions=concatenated(self._transitions),
            fresh=fresh,
            stamps=tuple(self._stamps),
            first=self._pushed - len(self._transitions),
            passages=tuple(self._passages),
        )

    def reset(self) -> None:
        """Forgets everything, so that no window reaches across the end of an episode."""
        self._transitions.clear()
        self._stamps.clear()
        self._passages.clear()
        self._fresh = 0


def selected(transitions: Transitions, mask: Tensor) -> Transitions:
    """The transitions where ``mask``, bool of shape (batch,), is true."""
    return Transitions(
        features={name: feature[mask] for name, feature in transitions.features.items()},
        executed=transitions.executed[mask],
        steps=transitions.steps[mask],
        next_features={name: feature[mask] for name, feature in transitions.next_features.items()},
        following_error=None if transitions.following_error is None else transitions.following_error[mask],
    )
