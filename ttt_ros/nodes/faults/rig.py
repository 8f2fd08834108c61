"""The system under test: simulation, safeguard and policy in processes of their own, with a relay and an observer between them."""

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from ament_index_python.packages import get_package_share_directory
from lifecycle_msgs.msg import Transition
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from std_srvs.srv import Trigger

from ttt_ros.adaptation import steps
from ttt_ros.control.parameter_file import load_parameter_file
from ttt_ros.nodes.bring_up import BRING_UP_TIMEOUT, BringUpError, bring_up, change_state, wait_until_it_answers
from ttt_ros.nodes.faults import faulty_policy
from ttt_ros.nodes.faults.observer import Observer
from ttt_ros.nodes.faults.relay import Relay, contradicted, remappings
from ttt_ros.nodes.processes import NodeProcess
from ttt_ros.nodes.quality_of_service import LATCHED, SENSOR
from ttt_ros.policies.checkpoint import load_policy, read_header
from ttt_ros.policies.shipped import REACTIVE_POLICY
from ttt_ros.safeguard.ladder import Mode
from ttt_ros.simulation.goals import goal_sequence
from ttt_ros.simulation.tasks import CONTACT_SKILLS, TASKS, phrasings

CAMERAS = ("scene", "wrist")

RECOVERY_TIMEOUT = 30.0
"""Seconds that the system may take to adapt again once a fault is gone."""

INSTRUCTION_EVERY = 2.0
"""Seconds from one instruction to the next, so that the arm keeps moving."""

_SETTLED = 0.5  # s in mode adapting that count as going on
_RESET_EVERY = 0.5  # s
_SPIN = 0.005  # s
_CALL_TIMEOUT = 10.0  # s
_HOGS = 12
_CONTRADICTION = 0.5  # rad
_MID_INFERENCE = 0.12  # s after a chunk was announced: the next is then asked for, and takes twice as long


class Rig:
    """Everything that a trial breaks and watches.

    Attributes:
        relay: between simulation and nodes.
        observer: of all that the nodes say.
        processes: by name: simulation, safeguard, policy, and those that a fault has started.
        answer: whether the last transition that a fault has asked for succeeded; None if none was asked for.
        asked: ``time.monotonic`` at which it was asked for.
        answered: ``time.monotonic`` at which it was answered.
        instructed: ``time.monotonic`` of the last instruction.
        seen_when_instructed: nanoseconds of the newest frame by then.
        rolled_back_to: version that the last rollback answered with.
    """

    answer: bool | None = None
    asked = 0.0
    answered = 0.0
    instructed = 0.0
    seen_when_instructed = 0
    rolled_back_to = 0

    def __init__(self, out: Path, *, policy_parameters: Mapping[str, object], rules_without: Sequence[str], patches: Sequence[str]) -> None:
        """Starts everything and waits until it adapts; a context must be initialised.

        Args:
            out: folder for logs and working files.
            policy_parameters: of the policy node, over those of the shipped file.
            rules_without: signals whose rules are left out.
            patches: protections of ``unprotected`` that are switched off.

        Raises:
            BringUpError: it did not come up, or did not begin to adapt.
        """
        share = Path(get_package_share_directory("ttt_ros"), "config")
        self._out = out
        self._given = dict(policy_parameters)
        out.mkdir(parents=True, exist_ok=True)
        self.checkpoint = out / "policy.safetensors"
        shutil.copyfile(REACTIVE_POLICY, self.checkpoint)
        self.snapshot = out / "snapshot.safetensors"
        faulty_policy.without_file(self.checkpoint).write_text("\n".join(patches))
        self.command_policy(faulty_policy.NONE)
        self._parameter_file = share / "policy_node_reactive.yaml"
        self.parameters = load_parameter_file(self._parameter_file)
        specification = read_header(self.checkpoint).specification
        self.period = specification.period

        self.node = Node("rig", parameter_overrides=[Parameter("use_sim_time", value=True)])
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self.relay = Relay(self.node, CAMERAS)
        self.observer = Observer(
            self.node,
            self.parameters.session.limits.select(specification.joint_names),
            period=self.period,
            adaptation=self.parameters.session.adaptation,
            base_norm=float(steps.norm(load_policy(self.checkpoint).base_fast_weights().values())),
        )
        self._instructions = self.node.create_publisher(String, "instruction", LATCHED)
        self._goals = goal_sequence([phrasing for task in TASKS if task.skill in CONTACT_SKILLS for phrasing in phrasings(task)], seed=0)
        self._next_instruction = 0.0
        self._hogs: list[subprocess.Popen[bytes]] = []

        self.processes: dict[str, NodeProcess] = {
            "simulation": NodeProcess(
                executable="simulation_node",
                log=out / "simulation.log",
                parameter_file=share / "simulation_node_reactive.yaml",
                remappings=remappings(CAMERAS),
                use_sim_time=False,
            ),
            "safeguard": NodeProcess(
                executable="safeguard_node",
                log=out / "safeguard.log",
                parameter_file=share / "safeguard_node_reactive.yaml",
                parameters={"rules": _rules(share / "safeguard_reactive.yaml", out / "rules.yaml", rules_without)},
            ),
            "policy": self._policy_process("policy"),
        }
        try:
            for name in self.processes:
                self.start(name)
            self.go_on()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Ends everything."""
        self.release_processors()
        for process in self.processes.values():
            if process.exit_code is None:
                self.resume(process)
                process.stop()
        self._executor.shutdown()
        self.node.destroy_node()

    def spin(self, duration: float = 0.0) -> None:
        """Takes what comes for ``duration`` seconds of wall time, and keeps the arm busy."""
        end = time.monotonic() + duration
        while True:
            if time.monotonic() > self._next_instruction:
                self.instruct()
            self._executor.spin_once(timeout_sec=_SPIN)
            if time.monotonic() >= end:
                return

    def wait(self, condition: Callable[[], object], timeout: float) -> bool:
        """Spins until ``condition`` holds, at most ``timeout`` seconds of wall time; says whether it does."""
        end = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > end:
                return False
            self.spin()
        return True

    def instruct(self) -> None:
        """Gives the next instruction."""
        self.instructed = time.monotonic()
        self.seen_when_instructed = max((self.relay.newest[camera] for camera in CAMERAS if camera in self.relay.newest), default=0)
        self._next_instruction = self.instructed + INSTRUCTION_EVERY
        self._instructions.publish(String(data=next(self._goals)))

    def instruct_in_mid_inference(self) -> None:
        """Gives an instruction while an inference of a pensive policy is under way: it is asked again as soon as it has answered late."""
        chunks = len(self.observer.chunks)
        self.wait(lambda: len(self.observer.chunks) > chunks + 1, RECOVERY_TIMEOUT)
        self.spin(_MID_INFERENCE)
        self.instruct()

    def roll_back(self) -> None:
        """Calls the rollback service of the policy node."""
        answer = self.call(Trigger, "policy/adaptation/rollback", Trigger.Request())
        self.answered = time.monotonic()
        self.rolled_back_to = int(answer.message.removeprefix("version "))

    def go_on(self) -> float:
        """Waits until adapting goes on, and calls the safeguard's reset where it is latched; returns the seconds that it took.

        Raises:
            BringUpError: it did not within RECOVERY_TIMEOUT.
        """
        began = time.monotonic()
        since: float | None = None
        next_reset = began
        while since is None or time.monotonic() - since < _SETTLED:
            if time.monotonic() - began > RECOVERY_TIMEOUT:
                raise BringUpError(f"the run did not go on within {RECOVERY_TIMEOUT:g} s; {self.reasons()}")
            if (self.observer.ordered or Mode.ADAPTING) >= Mode.HOLD and time.monotonic() > next_reset:
                next_reset = time.monotonic() + _RESET_EVERY
                self.call(Trigger, "safeguard/reset", Trigger.Request())
            self.spin()
            adapting = self.observer.fresh(_SETTLED) and self.observer.mode == self.observer.ordered == Mode.ADAPTING
            since = (since or time.monotonic()) if adapting else None
        return time.monotonic() - began

    def reasons(self) -> str:
        """The last words of both nodes."""
        state = self.observer.states[-1].message if self.observer.states else None
        ordered = f"ordered {Mode(state.mode).label}: {'; '.join(state.reasons)}" if state else "no word of the safeguard"
        return f"{ordered}; the policy node is in {self.observer.mode}"

    def call(self, kind: Any, name: str, request: Any, *, timeout: float = _CALL_TIMEOUT) -> Any:
        """Calls a service; returns its answer, or None if there was none in time."""
        client = self.node.create_client(kind, name)
        try:
            if not self.wait(client.service_is_ready, timeout):
                return None
            answer = client.call_async(request)
            return answer.result() if self.wait(answer.done, timeout) else None
        finally:
            self.node.destroy_client(client)

    def start(self, name: str) -> None:
        """Starts a process; lifecycle nodes are brought up."""
        self.processes[name].start()
        if name == "simulation":
            if not self.wait(lambda: len(self.relay.newest) == len(CAMERAS) + 2, BRING_UP_TIMEOUT):
                raise BringUpError(f"the simulation does not publish; see {self.processes[name].log}")
        else:
            self.bring_up(name)

    def bring_up(self, name: str) -> None:
        """Configures and activates a lifecycle node."""
        bring_up(self.node, self._executor, name, timeout=BRING_UP_TIMEOUT)

    def ask_to_configure(self, name: str) -> None:
        """Asks a node that may still be starting to configure, and keeps its answer."""
        wait_until_it_answers(self.node, self._executor, name, timeout=BRING_UP_TIMEOUT)
        self.asked = time.monotonic()
        self.answer = self._change_state(name, Transition.TRANSITION_CONFIGURE)
        self.answered = time.monotonic()

    def stop(self, name: str) -> None:
        """Ends a process as Ctrl-C does, while everything else goes on."""
        os.kill(self.processes[name].pid, signal.SIGINT)
        self.wait(lambda: self.processes[name].exit_code is not None, _CALL_TIMEOUT)

    def kill(self, name: str) -> None:
        """Ends a process without a word."""
        os.kill(self.processes[name].pid, signal.SIGKILL)
        self.processes[name].stop()

    def end(self, name: str) -> None:
        """Ends a process that a fault has started, so that its next trial starts a fresh one."""
        self.stop(name)
        del self.processes[name]

    def pause(self, name: str) -> None:
        """Stops a process in its tracks."""
        os.kill(self.processes[name].pid, signal.SIGSTOP)

    @staticmethod
    def resume(process: NodeProcess) -> None:
        """Lets a paused process go on."""
        os.kill(process.pid, signal.SIGCONT)

    def command_policy(self, fault: str) -> None:
        """Tells the faulty policy what to do wrong."""
        path = faulty_policy.fault_file(self.checkpoint)
        aside = path.with_suffix(".aside")
        aside.write_text(fault)
        aside.replace(path)

    def configured_anew(self) -> None:
        """Takes the policy node down to unconfigured and up again, as an operator would."""
        for transition in (Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_CLEANUP):
            self._change_state("policy", transition)
        self.bring_up("policy")

    def _change_state(self, name: str, transition: int) -> bool:
        return change_state(self.node, self._executor, name, transition, timeout=_CALL_TIMEOUT)

    def another_policy(self, name: str, *, namespace: str = "", parameters: Mapping[str, object] | None = None) -> NodeProcess:
        """A second policy node in a process of its own, started once and left unconfigured."""
        if name not in self.processes:
            remapped = {"__node": name} | ({"__ns": f"/{namespace}"} if namespace else {})
            self.processes[name] = self._policy_process(name, remapped, parameters)
            self.processes[name].start()
        return self.processes[name]

    def intrude(self) -> None:
        """A second publisher appears on the topic of the joint states and contradicts each of them."""
        self._intruder = self.node.create_publisher(JointState, "joint_states", SENSOR)
        self.relay.alterations["joint_states"] = contradicted(self._intruder.publish, by=_CONTRADICTION)

    def withdraw(self) -> None:
        """It goes."""
        self.relay.reset()
        self.node.destroy_publisher(self._intruder)

    def hog_processors(self) -> None:
        """Starts _HOGS busy processes for each processor."""
        program = [sys.executable, "-c", "while True: pass"]
        self._hogs = [subprocess.Popen(program) for _ in range(_HOGS * (os.cpu_count() or 1))]

    def release_processors(self) -> None:
        """Ends them."""
        for hog in self._hogs:
            hog.kill()
            hog.wait()
        self._hogs = []

    def fill_disk(self, name: str) -> None:
        """No file of the process may grow any further, which is a full disk to it."""
        _, hard = resource.prlimit(self.processes[name].pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.processes[name].pid, resource.RLIMIT_FSIZE, (1, hard))

    def empty_disk(self, name: str) -> None:
        """Files may grow again."""
        _, hard = resource.prlimit(self.processes[name].pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.processes[name].pid, resource.RLIMIT_FSIZE, (hard, hard))

    def _policy_process(
        self, name: str, remappings: Mapping[str, str] | None = None, parameters: Mapping[str, object] | None = None
    ) -> NodeProcess:
        own = {
            "policy.path": self.checkpoint,
            "adaptation.save_path": self.snapshot,
            "policy.factory": "ttt_ros.nodes.faults.faulty_policy:load",
            "adaptation.journal_directory": self._out,
        }
        return NodeProcess(
            executable="policy_node",
            log=self._out / f"{name}.log",
            parameter_file=self._parameter_file,
            parameters={**own, **self._given, **(parameters or {})},
            remappings=remappings or {},
        )


def _rules(shipped: Path, path: Path, without: Sequence[str]) -> Path:
    """The shipped rules but for those on the named signals, in a file of their own."""
    rules = yaml.safe_load(shipped.read_text(encoding="utf-8"))
    rules["rules"] = [rule for rule in rules["rules"] if rule["signal"] not in without]
    path.write_text(yaml.safe_dump(rules), encoding="utf-8")
    return path
