"""Every fault, in the order of the table."""

from ttt_ros.errors import ConfigurationError
from ttt_ros.nodes.faults.fault import Fault
from ttt_ros.nodes.faults.learning_faults import LEARNING_FAULTS
from ttt_ros.nodes.faults.process_faults import PROCESS_FAULTS
from ttt_ros.nodes.faults.sensor_faults import SENSOR_FAULTS
from ttt_ros.nodes.faults.time_faults import TIME_FAULTS

FAULTS: tuple[Fault, ...] = (*LEARNING_FAULTS, *PROCESS_FAULTS, *SENSOR_FAULTS, *TIME_FAULTS)
"""In the order of the table."""


def fault_named(name: str) -> Fault:
    """The fault called ``name``.

    Raises:
        ConfigurationError: there is none; the message lists all.
    """
    for fault in FAULTS:
        if fault.name == name:
            return fault
    raise ConfigurationError(f"no fault is called '{name}'; there are {', '.join(fault.name for fault in FAULTS)}")
