"""Plays the sensor topics of a bag to the policy and safeguard nodes of robot.launch.py, on the bag's time."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, SetEnvironmentVariable
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from ttt_ros.nodes.transport import transport_environment


def generate_launch_description() -> LaunchDescription:
    """Arguments: those of robot.launch.py, bag, rate."""
    return LaunchDescription(
        [
            DeclareLaunchArgument("namespace", default_value="", description="namespace of all nodes and topics"),
            DeclareLaunchArgument("use_sim_time", default_value="true", choices=["true"], description="the bag makes the time"),
            DeclareLaunchArgument("bag", description="folder of the rosbag2"),
            DeclareLaunchArgument("rate", default_value="1.0", description="played over recorded speed"),
            *[SetEnvironmentVariable(name, value) for name, value in transport_environment().items()],
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(PathJoinSubstitution([FindPackageShare("ttt_ros"), "launch", "robot.launch.py"]))
            ),
            Node(
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
            ),
        ]
    )
