"""Plays the sensor topics of a bag, with the bag's time on /clock: by the wall clock, or step by step."""

import signal
from typing import Any

from rclpy.node import Node

from ttt_ros.bags.reader import BagReader
from ttt_ros.control.node_parameters import NodeParameters
from ttt_ros.control.parameter_file import load_parameter_file
from ttt_ros.errors import ConfigurationError
from ttt_ros.evaluation.bags.configuration import Clock
from ttt_ros.nodes import lifecycle
from ttt_ros.nodes.parameters import declare, optional_path, refuse_unknown, value
from ttt_ros.nodes.stepped_player import SteppedPlayer
from ttt_ros.nodes.timed_player import TimedPlayer
from ttt_ros.policies.checkpoint import read_header
from ttt_ros.policies.factory import create_policy


class ReplayNode(Node):
    """Publishes the messages of a bag; ``finished`` once it is played."""

    def __init__(self, **options: Any) -> None:
        """Declares and checks the parameters; ``options`` as for ``rclpy.node.Node``."""
        super().__init__("replay", **options)
        declare(self, "bag", "", "folder of the rosbag2")
        declare(self, "rate", 1.0, "played over recorded speed", minimum=0.01, maximum=100.0)
        declare(self, "exit_at_end", False, "end the process after the last message")
        declare(self, "commands_topic", "", "commands to the robot, played for a policy that shadows it; empty: none")
        declare(
            self, "stepped", False, "send one message after the other, each when a policy node in stepped mode has taken the one before"
        )
        declare(self, "parameters", "", "stepped: parameter file of the policy node")
        declare(self, "policy_node", "policy", "stepped: name of the policy node")
        declare(self, "clock", Clock.RECEIVED.value, f"stepped: what the bag's time is: {', '.join(clock.value for clock in Clock)}")
        declare(self, "timeout", 30.0, "stepped: time that a message may wait to be taken [s]", minimum=0.1, maximum=3600.0)
        refuse_unknown(self)
        path = optional_path(self, "bag")
        if path is None:
            raise ConfigurationError("parameter 'bag' of the replay node is empty; name the folder of a rosbag2")
        self._exit_at_end = value(self, "exit_at_end")
        self.finished = False
        self._reader = BagReader(path)
        player = self._stepped() if value(self, "stepped") else self._timed()
        self.get_logger().info(f"playing {', '.join(player.topics)} of {path}, {self._reader.duration:.1f} s")

    def close(self) -> None:
        """Closes the bag."""
        self._reader.close()

    def _timed(self) -> TimedPlayer:
        commands = value(self, "commands_topic")
        return TimedPlayer(self, self._reader, rate=value(self, "rate"), commands_topic=commands, on_end=self._end)

    def _stepped(self) -> SteppedPlayer:
        parameters = optional_path(self, "parameters")
        if parameters is None:
            raise ConfigurationError("parameter 'parameters' of the replay node is empty; name the parameter file of the policy node")
        clocks = [clock for clock in Clock if clock.value == value(self, "clock")]
        if not clocks:
            raise ConfigurationError(f"parameter 'clock' is '{value(self, 'clock')}'; give {' or '.join(clock.value for clock in Clock)}")
        policy_node = value(self, "policy_node")
        read = load_parameter_file(parameters, node=policy_node.rpartition("/")[2])
        return SteppedPlayer(
            self,
            self._reader,
            read,
            period=_period(read),
            clock=clocks[0],
            policy=policy_node,
            timeout=value(self, "timeout"),
            on_end=self._end,
        )

    def _end(self) -> None:
        self.finished = True
        self.get_logger().info("end of the bag")
        if self._exit_at_end:
            signal.raise_signal(signal.SIGINT)


def _period(parameters: NodeParameters) -> float:
    """Seconds between two steps of the policy, to which the control rate is only close."""
    if not parameters.policy_factory:
        return read_header(parameters.policy_path).specification.period
    policy = create_policy(parameters.policy_path, device=parameters.policy_device, factory=parameters.policy_factory)
    return policy.specification.period


def main() -> None:
    """Entry point of ``ros2 run ttt_ros replay_node``."""
    raise SystemExit(lifecycle.run(ReplayNode, close=ReplayNode.close))


if __name__ == "__main__":
    main()
