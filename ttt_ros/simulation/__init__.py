"""A small MuJoCo arm with cameras, its tasks, a scripted expert, and the shifts that a policy may have to adapt to."""

from ttt_ros.simulation import graphics

# MuJoCo reads MUJOCO_GL when it is first imported; this runs before any module of the package imports it.
graphics.choose_backend()
