"""From sensor readings to joint commands: assembly, chunk schedule, limits and the control loop."""
