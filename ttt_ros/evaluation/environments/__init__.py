"""Closed-loop episodes in somebody else's environment, for the frozen and the adapting policy on the same shifted robots."""
