"""A safeguard whose every reading can be listened to."""

from collections.abc import Callable, Mapping, Sequence

from ttt_ros.safeguard.configuration import SafeguardConfig
from ttt_ros.safeguard.judge import Safeguard
from ttt_ros.safeguard.signals import Reading

OnReading = Callable[[int, Reading], None]
"""Takes an instant, ns, and what was read at it."""


class ListenedSafeguard(Safeguard):
    """Judges as its parent and tells every reading before it is judged."""

    def __init__(
        self,
        config: SafeguardConfig,
        *,
        cameras: Sequence[str],
        now: int,
        camera_rates: Mapping[str, float],
        joint_state_rate: float,
        on_reading: OnReading,
    ) -> None:
        """As its parent; ``on_reading`` takes every reading."""
        super().__init__(config, cameras=cameras, now=now, camera_rates=camera_rates, joint_state_rate=joint_state_rate)
        self._on_reading = on_reading

    def read(self, signal: str, value: float, now: int, *, source: str = "") -> None:
        """Tells the reading, then takes it."""
        self._on_reading(now, Reading(signal=signal, value=value, source=source))
        super().read(signal, value, now, source=source)
