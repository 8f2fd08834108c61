"""Starting nodes as processes of their own and ending them cleanly."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ament_index_python.packages import get_package_prefix

from ttt_ros.nodes.transport import Transport, transport_environment

STOP_TIMEOUT = 5.0  # s until a node that ignores SIGINT is killed; nodes end within one second


@dataclass(kw_only=True)
class NodeProcess:
    """One node in its own process.

    Attributes:
        executable: as ``ros2 run ttt_ros`` knows it.
        log: file that takes what the process prints.
        parameters: set on the command line, over those of ``parameter_file``.
        parameter_file: ROS parameter file, if any.
        remappings: from topic to topic.
        use_sim_time: follow /clock.
        transport: to the other processes, unless this one was started with another.
    """

    executable: str
    log: Path
    parameters: Mapping[str, object] = field(default_factory=dict)
    parameter_file: Path | None = None
    remappings: Mapping[str, str] = field(default_factory=dict)
    use_sim_time: bool = True
    transport: Transport = Transport.SMALL_IMAGES
    _process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Starts the process; it ends with its parent's terminal only through ``stop``, which a Ctrl-C of the parent calls."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        transport = transport_environment(transport=self.transport)
        environment = {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1", **transport, **os.environ}
        with self.log.open("wb") as output:
            self._process = subprocess.Popen(
                self._command(), stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, start_new_session=True
            )

    @property
    def pid(self) -> int:
        """Process id of the started process."""
        assert self._process is not None, "start() comes first"
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """Exit code, or None while the process runs."""
        return None if self._process is None else self._process.poll()

    def stop(self) -> int:
        """Asks the process to end with SIGINT, kills it when it does not, and returns its exit code (negative: the signal).

        One that was never started has nothing to end, and 0 for an exit code.
        """
        if self._process is None:
            return 0
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                self._process.kill()
        return self._process.wait()

    def _command(self) -> list[str]:
        program = Path(get_package_prefix("ttt_ros"), "lib", "ttt_ros", self.executable)
        arguments = [sys.executable, str(program), "--ros-args"]
        if self.parameter_file is not None:
            arguments += ["--params-file", str(self.parameter_file)]
        for name, value in {"use_sim_time": self.use_sim_time, **self.parameters}.items():
            arguments += ["-p", f"{name}:={_yaml(value)}"]
        for source, target in self.remappings.items():
            arguments += ["-r", f"{source}:={target}"]
        return arguments


def _yaml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_yaml(each) for each in value)}]"
    return f"'{value}'" if isinstance(value, (str, Path)) else str(value)
