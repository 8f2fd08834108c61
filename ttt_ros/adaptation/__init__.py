"""Adapting the fast weights while the robot runs: the update rule, its guards, its versions and its record."""
