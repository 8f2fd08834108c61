"""What the safeguard node is configured with."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from ttt_ros import configuration
from ttt_ros.errors import ConfigurationError
from ttt_ros.safeguard.rules import Rule

MAX_PERMIT_VALIDITY = 10.0
"""Seconds; a permit that held for longer would outlive the safeguard that gave it. The policy node refuses it from whoever sends it."""

MAX_RULES = 200
"""About seven for each signal; the reasons of all of them fit into what a policy node takes."""


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class SafeguardConfig:
    """Read from ``config/safeguard.yaml`` with ``configuration.load_yaml``.

    Attributes:
        rules: at least one; several may watch one signal.
        heartbeat_period: seconds between two published states, each a tick that reads the ages of the streams.
        permit_validity: seconds for which the policy may rely on a state; then a silent safeguard means ``base``.
        startup_grace: seconds for which cameras and joint states may take to be heard first.

    Raises:
        ConfigurationError: there is no rule, or a state would expire before the next one is due.
    """

    rules: Annotated[tuple[Rule, ...], Field(max_length=MAX_RULES)]
    heartbeat_period: Annotated[float, Field(gt=0)] = 0.1
    permit_validity: Annotated[float, Field(gt=0, le=MAX_PERMIT_VALIDITY)] = 0.2
    startup_grace: Annotated[float, Field(ge=0)] = 10.0

    def __post_init__(self) -> None:
        if not self.rules:
            raise ConfigurationError("a safeguard without rules guards nothing; give at least one rule")
        if self.permit_validity <= self.heartbeat_period:
            raise ConfigurationError(
                f"permit_validity {self.permit_validity:g} s must be longer than heartbeat_period {self.heartbeat_period:g} s, "
                "or every permit expires before it is renewed"
            )
