"""The simulated arm, the policy node's core and the safeguard on one virtual clock: without ROS, and as fast as the machine allows."""
