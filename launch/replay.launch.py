"""Plays the sensor topics of a bag to the policy and safeguard nodes of robot.launch.py, on the bag's time."""

from launch import Event, LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, RegisterEventHandler, SetEnvironmentVariable, Shutdown
from launch.events.process import ProcessExited
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.event_handlers import OnStateTransition
from launch_ros.events.lifecycle import StateTransition
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from ttt_ros.nodes.transport import Transport, transport_environment


def generate_launch_description() -> LaunchDescription:
    """Arguments: those of robot.launch.py, bag, rate."""
    replay = Node(
        package="ttt_ros",
        executable="replay_node",
        name="replay",
        namespace=LaunchConfiguration("namespace"),
        parameters=[
            {
                "bag": ParameterValue(LaunchConfiguration("bag"), value_type=str),
                "rate": ParameterValue(LaunchConfiguration("rate"), value_type=float),
            }
        ],
        output="screen",
        on_exit=_end,
    )
    return LaunchDescription(
        [
            DeclareLaunchArgument("namespace", default_value="", description="namespace of all nodes and topics"),
            DeclareLaunchArgument("use_sim_time", default_value="true", choices=["true"], description="the bag makes the time"),
            DeclareLaunchArgument("shared_memory", default_value="true", choices=["true"], description="the images of a bag may be large"),
            DeclareLaunchArgument("bag", description="folder of the rosbag2"),
            DeclareLaunchArgument("rate", default_value="1.0", description="played over recorded speed"),
            *[SetEnvironmentVariable(name, value) for name, value in transport_environment(transport=Transport.LARGE_IMAGES).items()],
            # Once the policy node is active, or it would miss the beginning of the bag.
            RegisterEventHandler(OnStateTransition(matcher=_is_policy_active, entities=[replay], handle_once=True)),
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(PathJoinSubstitution([FindPackageShare("ttt_ros"), "launch", "robot.launch.py"]))
            ),
        ]
    )


def _is_policy_active(event: Event) -> bool:
    return isinstance(event, StateTransition) and event.goal_state == "active" and event.action.node_executable == "policy_node"


def _end(_process: ProcessExited, context: LaunchContext) -> Shutdown | None:
    """Ends all once the replay ended; nothing if that happens because launch is ending: asked a second time it fails."""
    return None if context.is_shutdown else Shutdown(reason="the replay ended")
