"""Leads a run of the closed loop from outside: gives goals, brings a shift in, takes pictures."""

import random
import time
from collections.abc import Callable, Iterator, Sequence

from rcl_interfaces.srv import SetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image
from std_msgs.msg import String

from ttt_ros.evaluation import run_record
from ttt_ros.nodes.bring_up import BringUpError, bring_up
from ttt_ros.nodes.quality_of_service import LATCHED, SENSOR
from ttt_ros.nodes.run_observer import RunObserver

_SPIN_TIMEOUT = 0.02  # s


class Director(Node):
    """Speaks to the nodes of a run over topics and services alone."""

    def __init__(self, executor: SingleThreadedExecutor, *, timeout: float) -> None:
        """Joins ``executor``; ``timeout`` is how many seconds the other nodes get for an answer."""
        super().__init__("director", parameter_overrides=[Parameter("use_sim_time", value=True)])
        executor.add_node(self)
        self._spinner = executor
        self._timeout = timeout
        self._succeeded = ""
        self._touched = ""
        self._instruction_publisher = self.create_publisher(String, "instruction", LATCHED)
        self.create_subscription(String, "simulation/succeeded", self._on_succeeded, LATCHED)
        self.create_subscription(String, "simulation/touched", self._on_touched, LATCHED)

    def spin(self) -> None:
        """Takes what has come, waiting a little."""
        self._spinner.spin_once(timeout_sec=_SPIN_TIMEOUT)

    def settle(self, duration: float) -> None:
        """Takes what comes for ``duration`` seconds of wall time."""
        end = time.monotonic() + duration
        while time.monotonic() < end:
            self.spin()

    def bring_up(self, name: str) -> None:
        """Configures and activates a lifecycle node; raises BringUpError if it does not come up."""
        bring_up(self, self._spinner, name, timeout=self._timeout)

    def wait_for_node(self, name: str) -> None:
        """Waits until the node ``name`` is seen; raises BringUpError if it does not appear."""
        self._wait_until(lambda: name in self.get_node_names(), f"node {name}")

    def frames(self, cameras: Sequence[str]) -> dict[str, Image]:
        """One new frame of each camera; raises BringUpError if one does not come."""
        frames: dict[str, Image] = {}

        def keep(name: str) -> Callable[[Image], None]:
            return lambda message: frames.__setitem__(name, message)

        subscriptions = [self.create_subscription(Image, f"camera/{name}/image_raw", keep(name), SENSOR) for name in cameras]
        try:
            self._wait_until(lambda: len(frames) == len(cameras), f"a frame of each camera ({', '.join(cameras)})")
        finally:
            for subscription in subscriptions:
                self.destroy_subscription(subscription)
        return frames

    def pursue(self, instruction: str, observer: RunObserver, *, until: float, on_spin: Callable[[], None]) -> run_record.Goal:
        """Gives one goal and follows it until it succeeds or the observer's time is ``until``; the index is left at 0."""
        start = observer.elapsed
        self._succeeded = self._touched = ""
        self._instruction_publisher.publish(String(data=instruction))
        while self._succeeded != instruction and observer.elapsed < until:
            self.spin()
            on_spin()
        return run_record.Goal(
            index=0,
            instruction=instruction,
            start=start,
            end=observer.elapsed,
            succeeded=self._succeeded == instruction,
            first_touched=self._touched or None,
        )

    def shift(self, values: dict[str, object]) -> None:
        """Sets shift parameters of the simulation node; raises BringUpError if it does not answer or refuses."""
        client = self.create_client(SetParameters, "simulation/set_parameters")
        try:
            self._wait_until(client.service_is_ready, "the parameter service of the simulation node")
            parameters = [Parameter(f"shift.{name}", value=value).to_parameter_msg() for name, value in values.items()]
            answer = client.call_async(SetParameters.Request(parameters=parameters))
            self._wait_until(answer.done, "the simulation node's answer to the shift")
        finally:
            self.destroy_client(client)
        refused = [result.reason for result in answer.result().results if not result.successful]
        if refused:
            raise BringUpError(f"the simulation node refused the shift: {'; '.join(refused)}")

    def _wait_until(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + self._timeout
        while not condition():
            if time.monotonic() > deadline:
                raise BringUpError(f"{what} did not come within {self._timeout:g} s; see the logs of the nodes")
            self.spin()

    def _on_succeeded(self, message: String) -> None:
        self._succeeded = message.data

    def _on_touched(self, message: String) -> None:
        self._touched = message.data


def goal_sequence(instructions: Sequence[str], *, seed: int) -> Iterator[str]:
    """An endless sequence of goals, never the same twice in a row."""
    generator = random.Random(seed)
    last = ""
    while True:
        last = generator.choice([each for each in instructions if each != last])
        yield last
