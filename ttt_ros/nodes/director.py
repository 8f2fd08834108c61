"""Leads a run of the closed loop from outside: gives goals, lays the table, brings a shift in, takes pictures."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from rcl_interfaces.srv import GetParameters, SetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter, parameter_value_to_python
from sensor_msgs.msg import Image
from std_msgs.msg import Float64, String
from std_srvs.srv import Trigger

from ttt_ros.nodes.bring_up import BringUpError, bring_up
from ttt_ros.nodes.quality_of_service import LATCHED, RELIABLE, SENSOR
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
        self._settled: float | None = None
        self._instruction_publisher = self.create_publisher(String, "instruction", LATCHED)
        self.create_subscription(Float64, "simulation/settled", self._on_settled, RELIABLE)
        self._rearrange_client = self.create_client(Trigger, "simulation/rearrange")
        self._shift_client = self.create_client(SetParameters, "simulation/set_parameters")

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

    def instruct(self, instruction: str, observer: RunObserver, *, timeout: float, on_spin: Callable[[], None]) -> float | None:
        """Gives an instruction and waits, up to ``timeout`` seconds of the observer's time, until the arm has moved and come to rest.

        Returns:
            what ``simulation/settled`` told; None if the arm did not come to rest.
        """
        end = observer.elapsed + timeout
        self._settled = None
        self._instruction_publisher.publish(String(data=instruction))
        while self._settled is None and observer.elapsed < end:
            self.spin()
            on_spin()
        return self._settled

    def rearrange(self) -> None:
        """Has the table laid anew; raises BringUpError if the simulation node does not answer."""
        self._answer(self._rearrange_client, Trigger.Request())

    def shift(self, values: dict[str, object]) -> None:
        """Sets shift parameters of the simulation node; raises BringUpError if it does not answer or refuses."""
        parameters = [Parameter(f"shift.{name}", value=value).to_parameter_msg() for name, value in values.items()]
        answer = self._answer(self._shift_client, SetParameters.Request(parameters=parameters))
        refused = [result.reason for result in answer.results if not result.successful]
        if refused:
            raise BringUpError(f"the simulation node refused the shift: {'; '.join(refused)}")

    def parameters(self, node: str, names: Sequence[str]) -> dict[str, Any]:
        """Reads parameters of a node; raises BringUpError if it does not answer."""
        client = self.create_client(GetParameters, f"{node}/get_parameters")
        try:
            answer = self._answer(client, GetParameters.Request(names=list(names)))
        finally:
            self.destroy_client(client)
        return dict(zip(names, map(parameter_value_to_python, answer.values), strict=True))

    def _answer(self, client: Any, request: Any) -> Any:
        self._wait_until(client.service_is_ready, f"service {client.srv_name}")
        answer = client.call_async(request)
        self._wait_until(answer.done, f"the answer of {client.srv_name}")
        return answer.result()

    def _wait_until(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + self._timeout
        while not condition():
            if time.monotonic() > deadline:
                raise BringUpError(f"{what} did not come within {self._timeout:g} s; see the logs of the nodes")
            self.spin()

    def _on_settled(self, message: Float64) -> None:
        self._settled = message.data
