"""Writing shifts into a MuJoCo model."""

import mujoco
import numpy as np

from ttt_ros.simulation.shifts import Shifts

ROOM_CAMERAS = ("scene", "overhead")
"""The cameras on mounts in the room, which can be bumped; the wrist camera sits on the hand."""

_PAYLOAD_RADIUS = 0.02


def apply_to_model(shifts: Shifts, model: mujoco.MjModel, original: mujoco.MjModel) -> None:
    """Writes the shifts of cameras, light, hand and load into ``model``, each computed from the ``original``; idempotent."""
    _shift_cameras(shifts, model, original)
    _shift_light(shifts, model, original)
    _bend_hand(shifts, model, original)
    _shift_load(shifts, model, original)


def _shift_cameras(shifts: Shifts, model: mujoco.MjModel, original: mujoco.MjModel) -> None:
    for camera in (model.camera(name).id for name in ROOM_CAMERAS):
        model.cam_pos[camera] = original.cam_pos[camera] + np.array(shifts.camera_position)
        rotated = original.cam_quat[camera].copy()
        if any(shifts.camera_rotation):  # a rotation by nothing would turn -0.0 into 0.0
            mujoco.mju_quatIntegrate(rotated, np.array(shifts.camera_rotation), 1.0)
        model.cam_quat[camera] = rotated


def _shift_light(shifts: Shifts, model: mujoco.MjModel, original: mujoco.MjModel) -> None:
    model.light_diffuse[:] = original.light_diffuse * shifts.light
    model.vis.headlight.ambient[:] = original.vis.headlight.ambient * shifts.light
    model.vis.headlight.diffuse[:] = original.vis.headlight.diffuse * shifts.light


def _bend_hand(shifts: Shifts, model: mujoco.MjModel, original: mujoco.MjModel) -> None:
    bend = np.array([0.0, *shifts.bent_hand])
    finger, tip = model.geom("fixed_finger").id, model.site("tip").id
    model.geom_pos[finger] = original.geom_pos[finger] + bend
    model.site_pos[tip] = original.site_pos[tip] + bend
    for body in (model.body("jaw").id, model.body("payload").id):
        model.body_pos[body] = original.body_pos[body] + bend


def _shift_load(shifts: Shifts, model: mujoco.MjModel, original: mujoco.MjModel) -> None:
    payload = model.body("payload").id
    model.body_mass[payload] = shifts.payload
    model.body_inertia[payload] = 0.4 * shifts.payload * _PAYLOAD_RADIUS**2
    mujoco.mj_setConst(model, mujoco.MjData(model))
    # mj_setConst also estimates the extent anew, on which the cameras' clipping planes depend.
    model.stat.extent = original.stat.extent
    model.stat.center[:] = original.stat.center
