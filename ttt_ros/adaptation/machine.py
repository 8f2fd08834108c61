"""What the bits of a computation depend on besides its inputs."""

import platform
from dataclasses import dataclass
from pathlib import Path

import torch


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Where weights were computed; equal ones give equal bits.

    Attributes:
        torch: its version.
        architecture: such as ``x86_64``.
        processor: its model, as far as the system tells.
        instructions: vector instructions that torch uses.
        device: ``cpu``, or the name of the GPU.
    """

    torch: str
    architecture: str
    processor: str
    instructions: str
    device: str


def this_machine(device: torch.device) -> Machine:
    """The one that runs this process, computing on ``device``."""
    return Machine(
        torch=torch.__version__,
        architecture=platform.machine(),
        processor=_processor(),
        instructions=torch.backends.cpu.get_cpu_capability(),
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor())
