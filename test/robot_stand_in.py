"""A robot for the tiny policy: publishes /clock, cameras and joints over DDS, and moves where it is commanded."""

import time
from collections.abc import Callable, Sequence

import numpy as np
from example_policies import INSTRUCTIONS, SPECIFICATION
from numpy.typing import NDArray
from ros_graph import Graph
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory

from ttt_ros.nodes.quality_of_service import CLOCK, LATCHED, RELIABLE, SENSOR
from ttt_ros.nodes.stamps import stamp

STEP = 10_000_000  # ns; joint states at 100 Hz
IMAGE_EVERY = 5  # steps; camera frames at 20 Hz, the rate of the tiny policy
START = 1_000_000_000_000  # ns
INFERENCE = 0.2  # s of wall time that an inference gets within one step
CAMERAS = tuple(camera.name for camera in SPECIFICATION.cameras)


class RobotStandIn:
    """Time passes only in ``step``, and only as fast as the nodes of the graph follow, so that a busy machine changes nothing.

    Attributes:
        now: nanoseconds of its clock.
        positions: of the joints in the order of the tiny policy, rad.
        commands: every joint trajectory with the instant at which it came.
        hold_still: commands do not move it.
        silent: streams that are not published: names of cameras, or "joint_states".
        each_step: called in every step, after its own messages; for messages that it does not send itself.
        joint_order: names in the order in which joint states give them; those that the policy does not know stand at 0.5 rad.
        frames: what was published, by camera and stamp.
    """

    def __init__(self, graph: Graph, *, namespace: str = "") -> None:
        self._graph = graph
        self.now = START
        self.positions = np.zeros(len(SPECIFICATION.joint_names))
        self.commands: list[tuple[int, JointTrajectory]] = []
        self.hold_still = False
        self.silent: set[str] = set()
        self.each_step: Callable[[], None] = lambda: None
        self.joint_order: Sequence[str] = SPECIFICATION.joint_names
        self.frames: dict[tuple[str, int], Image] = {}
        self._target: NDArray[np.float64] | None = None
        self._steps = 0
        self._generator = np.random.default_rng(0)
        prefix = f"{namespace}/" if namespace else ""
        node = graph.tester
        self._clock = node.create_publisher(Clock, "/clock", CLOCK)
        self._joints = node.create_publisher(JointState, f"{prefix}joint_states", SENSOR)
        self._images = {name: node.create_publisher(Image, f"{prefix}camera/{name}/image_raw", SENSOR) for name in CAMERAS}
        self._instruction = node.create_publisher(String, f"{prefix}instruction", LATCHED)
        node.create_subscription(JointTrajectory, f"{prefix}joint_trajectory", self._on_command, RELIABLE)

    def instruct(self, text: str = INSTRUCTIONS[0]) -> None:
        """Gives an instruction."""
        self._instruction.publish(String(data=text))

    def step(self) -> None:
        """Lets one step pass and waits until every node that follows /clock knows it."""
        self.now += STEP
        self._steps += 1
        if self._target is not None:
            self.positions = self.positions + 0.5 * (self._target - self.positions)
        self._tell_time()
        if "joint_states" not in self.silent:
            known = dict(zip(SPECIFICATION.joint_names, self.positions, strict=True))
            self.publish_joints(self.joint_order, [known.get(name, 0.5) for name in self.joint_order])
        if self._steps % IMAGE_EVERY == 0:
            for name in CAMERAS:
                if name not in self.silent:
                    self.publish_image(name, self.picture())
        self.each_step()
        self._graph.wait_until(self._all_follow, "the nodes following /clock", meanwhile=self._tell_time, spin=0.001)
        self._let_infer()

    def run_for(self, duration: float) -> None:
        """Lets ``duration`` seconds pass."""
        end = self.now + round(duration * 1e9)
        while self.now < end:
            self.step()

    def run_until(self, condition: Callable[[], bool], what: str) -> None:
        """Lets time pass until ``condition`` holds."""
        self._graph.wait_until(condition, what, meanwhile=self.step, spin=0.0)

    def picture(self) -> Image:
        """A picture of uniform noise around a grey that depends on the joints."""
        camera = SPECIFICATION.cameras[0]
        grey = 128 + 60 * np.sin(self.positions.sum())
        pixels = np.clip(grey + self._generator.normal(scale=10, size=(camera.height, camera.width, 3)), 0, 255).astype(np.uint8)
        return Image(height=camera.height, width=camera.width, encoding="rgb8", step=3 * camera.width, data=pixels.tobytes())

    def publish_image(self, camera: str, image: Image) -> None:
        """Publishes ``image`` as a frame taken now."""
        image.header.stamp = stamp(self.now)
        self.frames[camera, self.now] = image
        self._images[camera].publish(image)

    def publish_joints(self, names: Sequence[str], positions: Sequence[float]) -> None:
        """Publishes a joint state measured now."""
        message = JointState(name=list(names), position=[float(each) for each in positions])
        message.header.stamp = stamp(self.now)
        self._joints.publish(message)

    def _let_infer(self) -> None:
        """Waits for inferences under way, though not for one that hangs: on a slow machine many steps would else pass meanwhile."""
        end = time.monotonic() + INFERENCE
        while self._graph.infers() and time.monotonic() < end:
            self._graph.spin(0.001)

    def _tell_time(self) -> None:
        self._clock.publish(Clock(clock=stamp(self.now)))

    def _on_command(self, message: JointTrajectory) -> None:
        self.commands.append((self.now, message))
        if message.points and not self.hold_still:
            self._target = np.array(message.points[-1].positions)

    def _all_follow(self) -> bool:
        return all(node.get_clock().now().nanoseconds >= self.now for node in self._graph.followers())
