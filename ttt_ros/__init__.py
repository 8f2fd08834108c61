"""Robot policies that keep learning while they run, as a ROS 2 package."""

__version__ = "0.1.0"
