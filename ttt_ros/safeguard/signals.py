"""The catalogue of signals that rules can be written on."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from ttt_ros.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True)
class Signal:
    """One number that the safeguard watches.

    Attributes:
        name: as rules call it.
        unit: SI symbol, empty for a pure number.
        cadence: read once per adaptation "window" or once per "tick" of the safeguard's heartbeat.
        origin: the "robot" produces it whatever the mode; the "policy" may fall silent in hold and stop.
        definition: what exactly is measured.
    """

    name: str
    unit: str
    cadence: Literal["window", "tick"]
    origin: Literal["robot", "policy"]
    definition: str

    def quantity(self, value: float) -> str:
        """``value`` in words, with the unit."""
        return f"{value:.4g} {self.unit}".rstrip()


GRADIENT_NORM = Signal(
    name="gradient_norm",
    unit="",
    cadence="window",
    origin="policy",
    definition="L2 norm of the window's gradient over all fast weights, before clipping",
)
DRIFT_TOTAL = Signal(
    name="drift_total",
    unit="",
    cadence="window",
    origin="policy",
    definition="L2 distance of the fast weights from the base, relative to the L2 norm of the base's fast weights",
)
ACTION_DEVIATION = Signal(
    name="action_deviation",
    unit="rad",
    cadence="window",
    origin="policy",
    definition="largest difference of any joint in any step between adapted and base action chunks, over the stored probe observations",
)
PREDICTION_LOSS = Signal(
    name="prediction_loss",
    unit="",
    cadence="window",
    origin="policy",
    definition="reconstruction loss of the window, scored before the update",
)
REJECTED = Signal(
    name="rejected",
    unit="",
    cadence="window",
    origin="policy",
    definition="1 if the gate or the commit checks refused the window, 0 if not",
)
CAMERA_AGE = Signal(
    name="camera_age",
    unit="s",
    cadence="tick",
    origin="robot",
    definition="distance in time of the newest frame's stamp from now, the worst of all cameras; a stamp in the future counts as well",
)
JOINT_STATE_AGE = Signal(
    name="joint_state_age",
    unit="s",
    cadence="tick",
    origin="robot",
    definition="distance in time of the newest joint state's stamp from now; a stamp in the future counts as well",
)
CHUNK_AGE = Signal(
    name="chunk_age",
    unit="s",
    cadence="tick",
    origin="policy",
    definition="time since the last action chunk arrived; not read before the first",
)
ADAPTATION_AGE = Signal(
    name="adaptation_age",
    unit="s",
    cadence="tick",
    origin="policy",
    definition="time for which action chunks have been arriving without an adaptation status; not read before the first chunk",
)

SIGNALS: Mapping[str, Signal] = MappingProxyType(
    {
        signal.name: signal
        for signal in (
            GRADIENT_NORM,
            DRIFT_TOTAL,
            ACTION_DEVIATION,
            PREDICTION_LOSS,
            REJECTED,
            CAMERA_AGE,
            JOINT_STATE_AGE,
            CHUNK_AGE,
            ADAPTATION_AGE,
        )
    }
)
"""All signals by name.

Window signals come from each adaptation status. The adaptation thread scores and reports its windows in every mode in which
the policy acts, permitted to commit or not: without reports from a frozen policy, no rule on them could ever clear.
"""


def signal_named(name: str) -> Signal:
    """The signal called ``name``.

    Raises:
        ConfigurationError: there is none; the message lists all.
    """
    if name not in SIGNALS:
        raise ConfigurationError(f"unknown signal '{name}'; known signals are {', '.join(SIGNALS)}")
    return SIGNALS[name]
