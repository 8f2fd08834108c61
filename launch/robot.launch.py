"""Safeguard and policy node for a robot: the safeguard comes up first, the policy node only once it is active."""

import os

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, EmitEvent, RegisterEventHandler, SetEnvironmentVariable
from launch.event_handlers import OnProcessStart
from launch.events import matches_action
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import LifecycleNode
from launch_ros.event_handlers import OnStateTransition
from launch_ros.events.lifecycle import ChangeState
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare
from lifecycle_msgs.msg import Transition

RESPAWN_DELAY = 1.0  # s

# The default transport loses nearly every raw image between processes: its shared-memory segment is smaller than one.
TRANSPORT = "LARGE_DATA?max_msg_size=4MB&sockets_size=4MB&non_blocking=true&tcp_negotiation_timeout=50"


def generate_launch_description() -> LaunchDescription:
    """Arguments: namespace, params_file, safeguard_params_file, policy_path, device, use_sim_time, respawn."""
    config = PathJoinSubstitution([FindPackageShare("ttt_ros"), "config"])
    use_sim_time = {"use_sim_time": ParameterValue(LaunchConfiguration("use_sim_time"), value_type=bool)}
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
        parameters=[
            LaunchConfiguration("params_file"),
            use_sim_time,
            {
                "policy.path": ParameterValue(LaunchConfiguration("policy_path"), value_type=str),
                "policy.device": ParameterValue(LaunchConfiguration("device"), value_type=str),
            },
        ],
        **common,
    )
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
            DeclareLaunchArgument("policy_path", default_value="", description="checkpoint; empty: the shipped desk arm policy"),
            DeclareLaunchArgument("device", default_value="cpu", description="torch device of the policy: cpu or cuda"),
            DeclareLaunchArgument("use_sim_time", default_value="false", description="follow /clock"),
            DeclareLaunchArgument("respawn", default_value="true", description="restart a node that ended unexpectedly"),
            SetEnvironmentVariable("FASTDDS_BUILTIN_TRANSPORTS", os.environ.get("FASTDDS_BUILTIN_TRANSPORTS", TRANSPORT)),
            SetEnvironmentVariable("OMP_NUM_THREADS", os.environ.get("OMP_NUM_THREADS", "1")),
            *_bring_up(safeguard),
            *_bring_up(policy),
            # Once: a safeguard that comes back after a crash finds the policy node running in mode base.
            RegisterEventHandler(OnStateTransition(target_lifecycle_node=safeguard, goal_state="active", entities=[policy], handle_once=True)),
            safeguard,
        ]
    )


def _bring_up(node: LifecycleNode) -> list[RegisterEventHandler]:
    """Configures the node whenever its process starts, and activates it once it is configured."""

    def change(transition: int) -> EmitEvent:
        return EmitEvent(event=ChangeState(lifecycle_node_matcher=matches_action(node), transition_id=transition))

    return [
        RegisterEventHandler(OnProcessStart(target_action=node, on_start=[change(Transition.TRANSITION_CONFIGURE)])),
        RegisterEventHandler(
            OnStateTransition(
                target_lifecycle_node=node,
                start_state="configuring",
                goal_state="inactive",
                entities=[change(Transition.TRANSITION_ACTIVATE)],
            )
        ),
    ]
