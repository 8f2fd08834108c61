"""The ROS 2 nodes: parameters, quality of service, message conversion, lifecycle and services; they wire, they do not decide."""
