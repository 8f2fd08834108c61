"""The door for robot tasks that others have written: any Gymnasium environment with a camera image and a proprioception vector."""
