"""Meta-training: an outer loop over the very update that runs on the robot."""
