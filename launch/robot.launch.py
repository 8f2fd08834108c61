"""Safeguard and policy node for a robot: the safeguard comes up first, the policy node only once it is active."""

import asyncio

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, EmitEvent, OpaqueFunction, RegisterEventHandler, SetEnvironmentVariable
from launch.conditions import UnlessCondition
from launch.event_handlers import OnProcessStart
from launch.events import matches_action
from launch.events.process import ProcessStarted
from launch.substitutions import EnvironmentVariable, LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import LifecycleNode
from launch_ros.event_handlers import OnStateTransition
from launch_ros.events.lifecycle import ChangeState
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.ros_adapters import get_ros_node
from launch_ros.substitutions import FindPackageShare
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import GetState

from ttt_ros.nodes.transport import transport_environment

RESPAWN_DELAY = 1.0  # s
ASK_PERIOD = 0.5  # s between two questions to a node that is starting


def generate_launch_description() -> LaunchDescription:
    """Arguments: namespace, params_file, safeguard_params_file, policy_path, device, use_sim_time, respawn, shared_memory."""
    config = PathJoinSubstitution([FindPackageShare("ttt_ros"), "config"])
    return LaunchDescription(
        [
            DeclareLaunchArgument("namespace", default_value="", description="namespace of all nodes and topics"),
            DeclareLaunchArgument(
                "params_file",
                default_value=PathJoinSubstitution([config, "policy_node.yaml"]),
                description="parameters of the policy node: the robot, its cameras, adaptation",
            ),
            DeclareLaunchArgument(
                "safeguard_params_file",
                default_value=PathJoinSubstitution([config, "safeguard_node.yaml"]),
                description="parameters of the safeguard node; they name the file with the rules",
            ),
            DeclareLaunchArgument("policy_path", default_value="", description="checkpoint; empty: the one that params_file names"),
            DeclareLaunchArgument(
                "device", default_value="", description="torch device: cpu or cuda; empty: the one that params_file names"
            ),
            DeclareLaunchArgument("use_sim_time", default_value="false", description="follow /clock"),
            DeclareLaunchArgument("respawn", default_value="true", description="restart a node whose process ended"),
            DeclareLaunchArgument(
                "shared_memory",
                default_value="true",
                choices=["true", "false"],
                description="false: a process that is killed or stopped cannot stall the others, but raw images above 64 KiB do not arrive",
            ),
            *[
                SetEnvironmentVariable(name, value, condition=UnlessCondition(LaunchConfiguration("shared_memory")))
                for name, value in transport_environment().items()
            ],
            SetEnvironmentVariable("OMP_NUM_THREADS", EnvironmentVariable("OMP_NUM_THREADS", default_value="1")),
            OpaqueFunction(function=_safeguard_then_policy),
        ]
    )


def _safeguard_then_policy(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    use_sim_time = {"use_sim_time": ParameterValue(LaunchConfiguration("use_sim_time"), value_type=bool)}
    overrides = {"policy.path": LaunchConfiguration("policy_path"), "policy.device": LaunchConfiguration("device")}
    given = {name: ParameterValue(value, value_type=str) for name, value in overrides.items() if value.perform(context)}
    common = {
        "package": "ttt_ros",
        "namespace": LaunchConfiguration("namespace"),
        "respawn": LaunchConfiguration("respawn"),
        "respawn_delay": RESPAWN_DELAY,
        "output": "screen",
    }
    safeguard = LifecycleNode(
        name="safeguard",
        executable="safeguard_node",
        parameters=[LaunchConfiguration("safeguard_params_file"), use_sim_time],
        **common,
    )
    policy = LifecycleNode(
        name="policy",
        executable="policy_node",
        parameters=[LaunchConfiguration("params_file"), {**use_sim_time, **given}],
        **common,
    )
    return [
        *_bring_up(safeguard),
        *_bring_up(policy),
        # Once: a safeguard that comes back after a crash finds the policy node running in mode base.
        RegisterEventHandler(OnStateTransition(target_lifecycle_node=safeguard, goal_state="active", entities=[policy], handle_once=True)),
        safeguard,
    ]


def _bring_up(node: LifecycleNode) -> list[RegisterEventHandler]:
    """Configures the node whenever its process has started, and activates it once it is configured."""

    def configure(process: ProcessStarted, context: LaunchContext) -> None:
        context.add_completion_future(context.asyncio_loop.create_task(_configure_once_it_answers(node, process.pid, context)))

    activate = EmitEvent(event=_change(node, Transition.TRANSITION_ACTIVATE))
    return [
        RegisterEventHandler(OnProcessStart(target_action=node, on_start=configure)),
        RegisterEventHandler(
            OnStateTransition(target_lifecycle_node=node, start_state="configuring", goal_state="inactive", entities=[activate])
        ),
    ]


async def _configure_once_it_answers(node: LifecycleNode, pid: int, context: LaunchContext) -> None:
    """Asks the node for its state until it answers, its process was replaced or launch ends.

    DDS lists a process that crashed for up to 20 s. A request to change the state that is sent meanwhile is lost, and launch waits for
    its answer for ever. An answer also shows that the node knows launch's subscription to its transitions.
    """
    asker = get_ros_node(context)
    client = asker.create_client(GetState, f"{node.node_name}/get_state")
    while not context.is_shutdown and node.process_details["pid"] == pid:
        answer = client.call_async(GetState.Request())
        await asyncio.sleep(ASK_PERIOD)
        if answer.done():
            await context.emit_event(_change(node, Transition.TRANSITION_CONFIGURE))
            break
    asker.destroy_client(client)


def _change(node: LifecycleNode, transition: int) -> ChangeState:
    return ChangeState(lifecycle_node_matcher=matches_action(node), transition_id=transition)
