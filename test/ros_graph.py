"""A ROS graph of a test's own: nodes under test in threads, and a tester node that listens, calls services and waits."""

import gc
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Generic, TypeVar

import pytest
import rclpy
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import Log, SetParametersResult
from rcl_interfaces.srv import SetParameters
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor, TimeoutException
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile

from ttt_ros.nodes.quality_of_service import LATCHED, RELIABLE

DEADLINE = 60.0  # s; for a loaded machine, no test expects to wait that long

_SPIN = 0.005  # s
_BURST = 100  # callbacks in one spin, so that a fast publisher cannot keep it from returning

Message = TypeVar("Message")


class NodeThread:
    """A node that is created, spun and destroyed in one thread, as its own process would; a GL context needs that."""

    def __init__(self, create: Callable[[], Node], context: Context) -> None:
        """Starts the thread; raises what ``create`` raises."""
        self._create = create
        self._executor = SingleThreadedExecutor(context=context)
        self._stop, self._ready = threading.Event(), threading.Event()
        self._error: BaseException | None = None
        self.node: Any = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(DEADLINE), "the node was not created in time"
        if self._error is not None:
            self._executor.shutdown()
            raise self._error

    def stop(self) -> None:
        """Closes the node as a signal would, and destroys it."""
        self._stop.set()
        self._executor.wake()
        self._thread.join(DEADLINE)
        assert not self._thread.is_alive(), "the node did not end"
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            self.node = self._create()
        except BaseException as error:
            self._error = error
            return
        finally:
            self._ready.set()
        self._executor.add_node(self.node)
        try:
            while not self._stop.is_set():
                self._executor.spin_once(timeout_sec=0.1)
        except ExternalShutdownException:
            pass
        except BaseException as error:
            self._error = error
        finally:
            self.node.close()
            self._executor.shutdown()
            self.node.destroy_node()
            self.node = None


class Inbox(Generic[Message]):
    """What a topic brought."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    @property
    def latest(self) -> Message:
        """The newest message."""
        return self.messages[-1]

    def __len__(self) -> int:
        return len(self.messages)


class Graph:
    """Everything that one test runs, in one context and one domain."""

    def __init__(self) -> None:
        self.context = Context()
        rclpy.init(context=self.context, args=[])
        self.tester = Node("tester", context=self.context)
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.tester)
        self._threads: list[NodeThread] = []
        self._log = self.listen(Log, "/rosout", QoSProfile(depth=1000, durability=LATCHED.durability, reliability=LATCHED.reliability))

    def start(
        self,
        kind: Callable[..., Node],
        parameters: Mapping[str, object] | None = None,
        *,
        namespace: str | None = None,
        remappings: Mapping[str, str] | None = None,
        parameter_file: Path | None = None,
    ) -> NodeThread:
        """Runs a node of class ``kind``; raises what its constructor raises."""
        arguments = [word for source, target in (remappings or {}).items() for word in ("-r", f"{source}:={target}")]
        if parameter_file is not None:
            arguments += ["--params-file", str(parameter_file)]
        overrides = [Parameter(name, value=value) for name, value in (parameters or {}).items()]

        def create() -> Node:
            return kind(context=self.context, namespace=namespace, cli_args=["--ros-args", *arguments], parameter_overrides=overrides)

        thread = NodeThread(create, self.context)
        self._threads.append(thread)
        return thread

    def stop(self, thread: NodeThread) -> None:
        """Ends one node."""
        self._threads.remove(thread)
        thread.stop()

    def close(self) -> None:
        """Ends all nodes and the context."""
        try:
            while self._threads:
                self._threads.pop().stop()
        finally:
            self._executor.shutdown()
            self.tester.destroy_node()
            self.context.try_shutdown()
            self.context.destroy()
            # A node that lives on in a reference cycle would, when it is collected, end the log topic of a later test's node of that name.
            gc.collect()

    def followers(self) -> list[Node]:
        """The running nodes that follow /clock."""
        return [thread.node for thread in self._threads if thread.node.get_parameter("use_sim_time").value]

    def infers(self) -> bool:
        """Whether a policy node is at an inference."""
        sessions = [getattr(thread.node, "_session", None) for thread in self._threads]
        return any(session is not None and session.loop.waits_for_inference for session in sessions)

    def spin(self, timeout: float = _SPIN) -> None:
        """Takes what has come, waiting at most ``timeout`` seconds for the first of it."""
        with suppress(TimeoutException):
            for wait in (timeout, *[0.0] * _BURST):
                handler, _, _ = self._executor.wait_for_ready_callbacks(timeout_sec=wait)
                handler()
                handler.result()

    def wait_until(
        self, condition: Callable[[], bool], what: str, *, meanwhile: Callable[[], None] | None = None, spin: float = _SPIN
    ) -> None:
        """Spins, and does ``meanwhile`` in between, until ``condition`` holds; fails the test after DEADLINE."""
        deadline = time.monotonic() + DEADLINE
        while not condition():
            if time.monotonic() > deadline:
                pytest.fail(f"{what}: did not happen within {DEADLINE:g} s; log: {self.log()[-5:]}")
            if meanwhile is not None:
                meanwhile()
            self.spin(spin)

    def listen(self, kind: type[Message], topic: str, profile: QoSProfile = RELIABLE) -> Inbox[Message]:
        """Collects the messages of a topic."""
        inbox: Inbox[Message] = Inbox()
        self.tester.create_subscription(kind, topic, inbox.messages.append, profile)
        return inbox

    def publisher(self, kind: type[Message], topic: str, profile: QoSProfile = RELIABLE) -> Any:
        """A publisher of the tester's that has at least one subscription."""
        publisher = self.tester.create_publisher(kind, topic, profile)
        self.wait_until(lambda: publisher.get_subscription_count() > 0, f"a subscription to {topic}")
        return publisher

    def call(self, kind: Any, name: str, request: Any, *, meanwhile: Callable[[], None] | None = None) -> Any:
        """Calls a service and returns its answer."""
        client = self.tester.create_client(kind, name)
        try:
            self.wait_until(client.service_is_ready, f"service {name}", meanwhile=meanwhile)
            answer = client.call_async(request)
            self.wait_until(answer.done, f"answer of {name}", meanwhile=meanwhile)
            return answer.result()
        finally:
            self.tester.destroy_client(client)

    def transition(self, name: str, label: str) -> bool:
        """Asks a lifecycle node for a transition; says whether it succeeded."""
        identity = getattr(Transition, f"TRANSITION_{label.upper()}")
        return bool(self.call(ChangeState, f"{name}/change_state", ChangeState.Request(transition=Transition(id=identity))).success)

    def bring_up(self, *names: str) -> None:
        """Configures and activates lifecycle nodes."""
        for name in names:
            for label in ("configure", "activate"):
                assert self.transition(name, label), f"{name} refused to {label}: {self.log()[-3:]}"

    def state(self, name: str) -> str:
        """The lifecycle state of a node, as it is labelled."""
        return str(self.call(GetState, f"{name}/get_state", GetState.Request()).current_state.label)

    def set_parameters(self, name: str, values: Mapping[str, object]) -> Sequence[SetParametersResult]:
        """Sets parameters of a node one by one and returns what became of each."""
        parameters = [Parameter(key, value=value).to_parameter_msg() for key, value in values.items()]
        return list(self.call(SetParameters, f"{name}/set_parameters", SetParameters.Request(parameters=parameters)).results)

    def log(self) -> list[str]:
        """What the nodes logged so far, as it came over /rosout."""
        return [f"{each.name}: {each.msg}" for each in self._log.messages]

    def wait_for_log(self, *fragments: str) -> str:
        """Waits for one log message that holds all ``fragments`` and returns it."""
        found: list[str] = []

        def logged() -> bool:
            found[:] = [line for line in self.log() if all(fragment in line for fragment in fragments)]
            return bool(found)

        self.wait_until(logged, f"a log message with {fragments}")
        return found[-1]
