"""The simulated desk arm with the policy and safeguard nodes of robot.launch.py, on simulated time."""

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, SetEnvironmentVariable, Shutdown
from launch.events.process import ProcessExited
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import EnvironmentVariable, LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from ttt_ros.nodes.transport import transport_environment


def generate_launch_description() -> LaunchDescription:
    """Arguments: those of robot.launch.py, seed, real_time_factor, simulation_params_file."""
    share = FindPackageShare("ttt_ros")
    return LaunchDescription(
        [
            DeclareLaunchArgument("namespace", default_value="", description="namespace of all nodes and topics"),
            DeclareLaunchArgument("use_sim_time", default_value="true", choices=["true"], description="the simulation makes the time"),
            DeclareLaunchArgument(
                "shared_memory", default_value="false", choices=["false"], description="the images are small enough for UDP"
            ),
            DeclareLaunchArgument("seed", default_value="0", description="seed of the first scene"),
            DeclareLaunchArgument(
                "real_time_factor", default_value="1.0", description="simulated over wall seconds; 0: as fast as possible"
            ),
            DeclareLaunchArgument(
                "simulation_params_file",
                default_value=PathJoinSubstitution([share, "config", "simulation_node.yaml"]),
                description="parameters of the simulation node: image size and shifts",
            ),
            SetEnvironmentVariable("MUJOCO_GL", EnvironmentVariable("MUJOCO_GL", default_value="egl")),
            *[SetEnvironmentVariable(name, value) for name, value in transport_environment().items()],
            IncludeLaunchDescription(PythonLaunchDescriptionSource(PathJoinSubstitution([share, "launch", "robot.launch.py"]))),
            Node(
                package="ttt_ros",
                executable="simulation_node",
                name="simulation",
                namespace=LaunchConfiguration("namespace"),
                parameters=[
                    LaunchConfiguration("simulation_params_file"),
                    {
                        "seed": ParameterValue(LaunchConfiguration("seed"), value_type=int),
                        "real_time_factor": ParameterValue(LaunchConfiguration("real_time_factor"), value_type=float),
                    },
                ],
                output="screen",
                on_exit=_end,
            ),
        ]
    )


def _end(_process: ProcessExited, context: LaunchContext) -> Shutdown | None:
    """Ends all once the simulation ended; nothing if that happens because launch is ending: asked a second time it fails."""
    return None if context.is_shutdown else Shutdown(reason="the simulation ended")
