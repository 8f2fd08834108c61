"""The simulated desk arm on the topics of a robot."""

import array
import time
from dataclasses import fields
from typing import Any

import numpy as np
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock as ClockMessage
from sensor_msgs.msg import CameraInfo, Image, JointState
from std_msgs.msg import Float64, String
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from ttt_ros.errors import ActionError, SimulationError, TttRosError
from ttt_ros.nodes import lifecycle
from ttt_ros.nodes.parameters import declare, refuse_unknown, value
from ttt_ros.nodes.quality_of_service import CLOCK, LATCHED, RELIABLE, SENSOR
from ttt_ros.nodes.stamps import stamp
from ttt_ros.nodes.trajectory import TrajectoryFollower
from ttt_ros.simulation.arm import HOME, JOINT_NAMES, PARKED
from ttt_ros.simulation.corruptions import corrupted
from ttt_ros.simulation.engine import IMAGE_EVERY, JOINT_STATE_EVERY, STEPS_PER_SECOND, Simulation
from ttt_ros.simulation.shifts import Shifts
from ttt_ros.simulation.tasks import parse

NO_DISTANCE = -1.0
"""What ``~/settled`` says of a goal that is about no cube."""

_WALL_PERIOD = 0.005  # s between two looks at the wall clock
_MAX_CATCH_UP = 30  # physics steps in one callback, so that messages are still taken while the simulation lags


class SimulationNode(Node):
    """Steps the physics, publishes sensors and the clock, obeys ``joint_trajectory``, and tells what has become of the instruction.

    ``~/settled`` tells, once for each instruction, that the arm has moved and come to rest: how far the fingertip then is from the
    middle of the cube that the instruction names, in the plane of the table, m.
    """

    def __init__(self, **options: Any) -> None:
        """Declares and checks the parameters; ``options`` as for ``rclpy.node.Node``."""
        super().__init__("simulation", **options)
        declare(
            self,
            "seed",
            0,
            "seed of the first scene; each reset and each ~/rearrange draws the next",
            minimum=0,
            maximum=2**31,
            read_only=False,
        )
        declare(self, "real_time_factor", 1.0, "simulated over wall seconds; 0: as fast as possible", minimum=0.0, maximum=100.0)
        declare(self, "image_width", 96, "width of the camera images [px]", minimum=16, maximum=1920)
        declare(self, "image_height", 96, "height of the camera images [px]", minimum=16, maximum=1080)
        declare(self, "cameras", ["scene", "wrist"], "cameras to serve, of: scene, wrist, overhead")
        declare(self, "parked", False, "the arm starts parked, out of the overhead camera's view, instead of above the table")
        declare(self, "mark", True, "the mark that cubes can be pushed to lies on the table")
        for field in fields(Shifts):
            default = getattr(Shifts(), field.name)
            plain = list(default) if isinstance(default, tuple) else default
            declare(self, f"shift.{field.name}", plain, "hidden property of the robot or the camera; see Shifts", read_only=False)
        refuse_unknown(self)

        size = (int(value(self, "image_height")), int(value(self, "image_width")))
        self._simulation = Simulation(cameras=dict.fromkeys(value(self, "cameras"), size))
        self._follower = TrajectoryFollower(JOINT_NAMES)
        self._scenes = 0
        self._steps = 0
        self._instruction = ""
        self._reset()
        self._simulation.set_shifts(self._shifts({}))
        for camera in value(self, "cameras"):
            self._simulation.render(camera)  # without a GL library this says so, now and not in a callback

        self._clock_publisher = self.create_publisher(ClockMessage, "/clock", CLOCK)
        self._joint_publisher = self.create_publisher(JointState, "joint_states", SENSOR)
        cameras = value(self, "cameras")
        self._image_publishers = {name: self.create_publisher(Image, f"camera/{name}/image_raw", SENSOR) for name in cameras}
        self._info_publishers = {name: self.create_publisher(CameraInfo, f"camera/{name}/camera_info", SENSOR) for name in cameras}
        self._succeeded_publisher = self.create_publisher(String, "~/succeeded", LATCHED)
        self._touched_publisher = self.create_publisher(String, "~/touched", LATCHED)
        self._settled_publisher = self.create_publisher(Float64, "~/settled", RELIABLE)
        self.create_subscription(JointTrajectory, "joint_trajectory", self._on_trajectory, RELIABLE)
        self.create_subscription(String, "instruction", self._on_instruction, LATCHED)
        self.create_service(Trigger, "~/reset", self._on_reset)
        self.create_service(Trigger, "~/rearrange", self._on_rearrange)
        self.add_on_set_parameters_callback(self._on_parameters)

        self._factor = float(value(self, "real_time_factor"))
        self._started = time.monotonic()
        # A wall timer whatever use_sim_time says: this node makes the simulated time.
        self.create_timer(_WALL_PERIOD if self._factor else 0.0, self._advance, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self.get_logger().info(f"simulating scene {value(self, 'seed')} at {self._factor or 'unlimited'} times real time")

    def close(self) -> None:
        """Frees the renderer."""
        self._simulation.close()

    def _advance(self) -> None:
        due = IMAGE_EVERY
        if self._factor:
            due = int((time.monotonic() - self._started) * self._factor * STEPS_PER_SECOND) - self._steps
            if due > STEPS_PER_SECOND:
                self.get_logger().warning("more than a second behind real time; the machine is too slow or was suspended")
                self._started = time.monotonic() - self._steps / STEPS_PER_SECOND / self._factor
        for _ in range(min(due, _MAX_CATCH_UP)):
            self._step()

    def _step(self) -> None:
        target = self._follower.target(self._steps / STEPS_PER_SECOND)
        if target is not None and target is not self._commanded:
            self._simulation.command(target)
            self._commanded = target
        self._simulation.step()
        self._steps += 1
        joints_due, images_due = self._steps % JOINT_STATE_EVERY == 0, self._steps % IMAGE_EVERY == 0
        if joints_due or images_due:
            self._clock_publisher.publish(ClockMessage(clock=self._now()))
        if joints_due:
            self._publish_joints()
        if images_due:
            self._publish_images()
            self._publish_progress()

    def _now(self):
        return stamp(self._steps * 1_000_000_000 // STEPS_PER_SECOND)

    def _publish_joints(self) -> None:
        message = JointState(name=list(JOINT_NAMES))
        message.header.stamp = self._now()
        message.position = array.array("d", self._simulation.joint_positions())
        message.velocity = array.array("d", self._simulation.joint_velocities())
        self._joint_publisher.publish(message)

    def _publish_images(self) -> None:
        now = self._now()
        for name in self._image_publishers:
            pixels = self._simulation.render(name)
            height, width = pixels.shape[:2]
            image = Image(height=height, width=width, encoding="rgb8", step=3 * width)
            image.header.stamp, image.header.frame_id = now, f"{name}_camera"
            image.data = array.array("B", pixels.tobytes())
            self._image_publishers[name].publish(image)
            pinhole = self._simulation.camera_intrinsics(name)
            info = CameraInfo(header=image.header, height=height, width=width, distortion_model="plumb_bob", d=[0.0] * 5)
            matrix = np.array([[pinhole.fx, 0.0, pinhole.cx], [0.0, pinhole.fy, pinhole.cy], [0.0, 0.0, 1.0]])
            info.k, info.r = matrix.ravel(), np.eye(3).ravel()
            info.p = np.hstack([matrix, np.zeros((3, 1))]).ravel()
            self._info_publishers[name].publish(info)

    def _publish_progress(self) -> None:
        touched = self._simulation.first_touched()
        if touched is not None and touched != self._touched:
            self._touched_publisher.publish(String(data=touched))
        self._touched = touched
        if self._simulation.succeeded() and not self._reported:
            self._succeeded_publisher.publish(String(data=self._instruction))
            self._reported = True
        if self._simulation.settled() and not self._settled:
            distance = self._simulation.distance()
            self._settled_publisher.publish(Float64(data=NO_DISTANCE if distance is None else distance))
            self._settled = True

    def _on_trajectory(self, message: JointTrajectory) -> None:
        try:
            self._follower.follow(message, now=self._steps / STEPS_PER_SECOND, current=self._commanded)
        except ActionError as error:
            self.get_logger().error(f"trajectory refused: {error}", throttle_duration_sec=1.0)

    def _on_instruction(self, message: String) -> None:
        try:
            self._simulation.start(parse(message.data))
        except SimulationError as error:
            self.get_logger().error(str(error))
            return
        self._instruction, self._reported, self._settled = message.data, False, False

    def _scene(self) -> int:
        return int(value(self, "seed")) + self._scenes

    def _reset(self) -> None:
        pose = PARKED if value(self, "parked") else HOME
        self._simulation.reset(self._scene(), pose=pose)
        self._simulation.rearrange(self._scene(), mark=value(self, "mark"))
        self._follower.clear()
        self._commanded = np.array(pose)
        self._reported = self._settled = False
        self._touched: str | None = None

    def _on_reset(self, _request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._scenes += 1
        self._reset()
        response.success, response.message = True, f"scene {self._scene()}"
        return response

    def _on_rearrange(self, _request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._scenes += 1
        self._simulation.rearrange(self._scene(), mark=value(self, "mark"))
        response.success, response.message = True, f"scene {self._scene()}"
        return response

    def _shifts(self, changes: dict[str, object]) -> Shifts:
        values = {field.name: changes.get(field.name, value(self, f"shift.{field.name}")) for field in fields(Shifts)}
        shifts = Shifts(**{name: tuple(each) if isinstance(each, (list, tuple, array.array)) else each for name, each in values.items()})
        if shifts.corruption and shifts.severity:  # refused here, or the next picture could not be made
            blank = np.zeros((value(self, "image_height"), value(self, "image_width"), 3), dtype=np.uint8)
            corrupted(blank, shifts.corruption, shifts.severity, np.random.default_rng(0))
        return shifts

    def _on_parameters(self, parameters: list[Parameter]) -> SetParametersResult:
        changes = {each.name.removeprefix("shift."): each.value for each in parameters if each.name.startswith("shift.")}
        if not changes:
            return SetParametersResult(successful=True)
        try:
            shifts = self._shifts(changes)
        except TttRosError as error:
            return SetParametersResult(successful=False, reason=str(error))
        self._simulation.set_shifts(shifts)
        return SetParametersResult(successful=True)


def main() -> None:
    """Entry point of ``ros2 run ttt_ros simulation_node``."""
    raise SystemExit(lifecycle.run(SimulationNode, close=SimulationNode.close))


if __name__ == "__main__":
    main()
