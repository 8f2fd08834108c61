"""Scripted demonstrations, behaviour cloning and closed-loop rollouts of the built-in policy."""
