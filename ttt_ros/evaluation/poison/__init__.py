"""Deployments of which an attacker controls a part of what the robot senses, and what each line of defence is worth against that."""
