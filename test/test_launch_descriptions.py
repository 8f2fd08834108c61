"""The launch files loaded by launch: their arguments, the order of the nodes, and nodes that come back after a crash."""

import os
import signal
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

# Not `launch`: the folder of that name would do for an import from the root of the repository.
pytest.importorskip("launch_ros", reason="launch_ros is missing; it comes with ROS 2 and not as a wheel")
pytest.importorskip("ttt_ros.msg", reason="the messages are not built; run `make build`")

from launch import Action, Event, LaunchContext, LaunchDescription, LaunchDescriptionEntity, LaunchService
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    IncludeLaunchDescription,
    OpaqueFunction,
    RegisterEventHandler,
    Shutdown,
    TimerAction,
)
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.launch_description_sources.python_launch_file_utilities import load_python_launch_file_as_module
from launch_ros.actions import LifecycleNode, Node
from launch_ros.event_handlers import OnStateTransition
from launch_ros.events.lifecycle import StateTransition
from lifecycle_msgs.msg import State, Transition, TransitionEvent

pytestmark = pytest.mark.ros

LAUNCH = Path(__file__).parent.parent / "launch"
ROBOT, SIMULATION, REPLAY = (LAUNCH / f"{name}.launch.py" for name in ("robot", "simulation", "replay"))

OF_THE_ROBOT = {"namespace", "params_file", "safeguard_params_file", "policy_path", "device", "use_sim_time", "respawn", "shared_memory"}
ARGUMENTS = {
    ROBOT: OF_THE_ROBOT,
    SIMULATION: OF_THE_ROBOT | {"seed", "real_time_factor", "simulation_params_file"},
    REPLAY: OF_THE_ROBOT | {"bag", "rate"},
}

NODE = """
import rclpy
from rclpy.lifecycle import LifecycleNode
rclpy.init()
rclpy.spin(LifecycleNode("mortal"))
"""
DEADLINE = 60.0  # s; for a loaded machine, no test expects to wait that long

each_file = pytest.mark.parametrize("path", ARGUMENTS, ids=lambda path: path.name)


class Launched:
    """A launch file with its arguments set, expanded as far as that starts no process."""

    def __init__(self, path: Path, **arguments: str) -> None:
        self.context = LaunchContext()
        self.context.launch_configurations.update({"bag": "a_bag", **arguments})
        self.description = PythonLaunchDescriptionSource(str(path)).get_launch_description(self.context)
        self.entities = list(self._expanded(self.description.entities))

    def _expanded(self, entities: Iterable[LaunchDescriptionEntity]) -> Iterator[LaunchDescriptionEntity]:
        for entity in entities:
            yield entity
            if isinstance(entity, (LaunchDescription, DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction)):
                yield from self._expanded(entity.visit(self.context) or [])

    def nodes(self) -> dict[str, Node]:
        """Nodes that start at once, by the name of their executable."""
        return {entity.node_executable: entity for entity in self.entities if isinstance(entity, Node)}

    def transition(self, node: LifecycleNode, start: str, goal: str) -> list[Action]:
        """What is executed once ``node`` went from state ``start`` to ``goal``."""
        message = TransitionEvent(start_state=State(label=start), goal_state=State(label=goal))
        return self._answers(StateTransition(action=node, msg=message))

    def _answers(self, event: Event) -> list[Action]:
        answers: list[Action] = []
        for handler in (entity.event_handler for entity in self.entities if isinstance(entity, RegisterEventHandler)):
            if handler.matches(event):
                self.context.register_event_handler(handler)
                answers += handler.handle(event, self.context) or []
        return answers


@each_file
def test_every_argument_is_declared_with_a_description(path: Path) -> None:
    described = {argument.name: argument.description for argument in Launched(path).description.get_launch_arguments()}
    assert set(described) == ARGUMENTS[path]
    assert all(text and "no description" not in text.lower() for text in described.values())


@each_file
def test_only_a_safeguard_that_became_active_starts_the_policy_node(path: Path) -> None:
    launched = Launched(path)
    assert "policy_node" not in launched.nodes()
    safeguard = launched.nodes()["safeguard_node"]
    for start, goal in (
        ("unconfigured", "configuring"),
        ("configuring", "inactive"),
        ("inactive", "activating"),
        ("activating", "inactive"),
    ):
        assert not any(isinstance(action, Node) for action in launched.transition(safeguard, start, goal))
    (policy,) = launched.transition(safeguard, "activating", "active")
    assert policy.node_executable == "policy_node"
    assert isinstance(safeguard, LifecycleNode)
    assert isinstance(policy, LifecycleNode)


def test_a_node_that_was_configured_is_activated_and_no_other() -> None:
    launched = Launched(ROBOT)
    safeguard = launched.nodes()["safeguard_node"]
    (policy,) = launched.transition(safeguard, "activating", "active")
    for node, other in ((safeguard, policy), (policy, safeguard)):
        (action,) = launched.transition(node, "configuring", "inactive")
        assert isinstance(action, EmitEvent)
        assert action.event.transition_id == Transition.TRANSITION_ACTIVATE
        assert action.event.lifecycle_node_matcher(node)
        assert not action.event.lifecycle_node_matcher(other)


def test_a_node_that_was_deactivated_on_purpose_stays_so() -> None:
    launched = Launched(ROBOT)
    assert not launched.transition(launched.nodes()["safeguard_node"], "deactivating", "inactive")


def test_a_bag_is_played_only_once_the_policy_node_is_active() -> None:
    launched = Launched(REPLAY)
    assert "replay_node" not in launched.nodes()
    (policy,) = launched.transition(launched.nodes()["safeguard_node"], "activating", "active")
    assert not any(isinstance(action, Node) for action in launched.transition(policy, "configuring", "inactive"))
    (replay,) = launched.transition(policy, "activating", "active")
    assert replay.node_executable == "replay_node"


@each_file
def test_simulation_and_replay_run_on_simulated_time(path: Path) -> None:
    expected = "false" if path == ROBOT else "true"
    assert Launched(path).context.launch_configurations["use_sim_time"] == expected


@pytest.mark.parametrize("path", [SIMULATION, REPLAY], ids=lambda path: path.name)
def test_simulation_and_replay_refuse_to_run_on_wall_time(path: Path) -> None:
    with pytest.raises(RuntimeError, match="use_sim_time"):
        Launched(path, use_sim_time="false")


def test_arguments_reach_the_included_launch_file() -> None:
    given = {"namespace": "robot1", "params_file": "p.yaml", "policy_path": "p.safetensors", "device": "cuda"}
    assert given.items() <= Launched(SIMULATION, **given).context.launch_configurations.items()


@pytest.mark.usefixtures("ros_domain")
def test_a_node_whose_process_was_killed_becomes_active_again(tmp_path: Path) -> None:
    (tmp_path / "node.py").write_text(NODE)
    robot: ModuleType = load_python_launch_file_as_module(str(ROBOT))
    node = LifecycleNode(
        name="mortal", namespace="", executable=sys.executable, arguments=[str(tmp_path / "node.py")], respawn=True, respawn_delay=0.1
    )
    processes: list[int] = []

    def kill_then_end(_context: LaunchContext) -> list[Action] | None:
        processes.append(node.process_details["pid"])
        if len(processes) == 2:
            return [Shutdown(reason="active again")]
        os.kill(processes[0], signal.SIGKILL)
        return None

    service = LaunchService(noninteractive=True)
    once_active = OnStateTransition(target_lifecycle_node=node, goal_state="active", entities=[OpaqueFunction(function=kill_then_end)])
    given_up = TimerAction(period=DEADLINE, actions=[Shutdown(reason="gave up")])
    service.include_launch_description(LaunchDescription([*robot._bring_up(node), RegisterEventHandler(once_active), given_up, node]))
    service.run()
    assert len(set(processes)) == 2
