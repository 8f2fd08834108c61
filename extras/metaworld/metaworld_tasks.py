"""Meta-World's tasks as Gymnasium environments with a corner camera, the hand's position and the gripper's opening."""

from typing import Any

import gymnasium
import metaworld.policies
import mujoco
import numpy as np
from gymnasium import spaces
from metaworld.env_dict import ALL_V3_ENVIRONMENTS_GOAL_OBSERVABLE
from numpy.typing import NDArray

from ttt_ros.errors import SimulationError
from ttt_ros.simulation.rendering import OffscreenRenderer

EXPERTS = {
    "reach": metaworld.policies.SawyerReachV3Policy,
    "push": metaworld.policies.SawyerPushV3Policy,
    "pick-place": metaworld.policies.SawyerPickPlaceV3Policy,
    "door-open": metaworld.policies.SawyerDoorOpenV3Policy,
}

SURROUNDINGS = ("object_x", "object_y", "object_z", "goal_x", "goal_y", "goal_z")

IMAGE_SIZE = (96, 96)  # px
_CAMERA = "corner2"
_CAMERA_POSITION = (0.75, 0.075, 0.7)  # m, nearer than as shipped, so that an object is more than a few pixels wide
_FIELD_OF_VIEW = 40.0  # degrees; as shipped 60
_LARGE_MESH = 2000  # faces; the arm's links, which take most of the time of an image


class MetaWorldEnvironment(gymnasium.Env[dict[str, Any], NDArray[np.float32]]):
    """One task; the image is what ``render`` returns.

    Observation: ``proprioception``, float32 (4,): the hand's position, m, and the gripper's opening, 0 closed to 1 open.
    Action: float32 (4,), -1..1: the hand's displacement in units of 1 cm, and the gripper's effort.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 80}  # noqa: RUF012
    render_mode = "rgb_array"

    def __init__(self, task: str) -> None:
        """Makes ``task``, a key of EXPERTS.

        Raises:
            SimulationError: it is none.
        """
        if task not in EXPERTS:
            raise SimulationError(f"unknown task '{task}'; known are: {', '.join(EXPERTS)}")
        self._task = task
        self._environment = ALL_V3_ENVIRONMENTS_GOAL_OBSERVABLE[f"{task}-v3-goal-observable"](render_mode=None)
        # Otherwise every reset has the same layout, whatever its seed.
        self._environment._freeze_rand_vec = False
        self._environment.seeded_rand_vec = True
        self._expert = EXPERTS[task]()
        self._renderer: OffscreenRenderer | None = None
        self._object_offset: NDArray[np.float64] = np.zeros(3)
        self._seen: NDArray[np.float64] = np.zeros(0)
        self.action_space = spaces.Box(-1.0, 1.0, (4,), np.float32)
        self.observation_space = spaces.Dict({"proprioception": spaces.Box(-2.0, 2.0, (4,), np.float32)})
        _make_fast(self._environment.model)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
        """Draws a layout from ``seed``; the next of the last one's if not given."""
        super().reset(seed=seed, options=options)
        if seed is not None:
            self._environment.seed(seed)
        self._seen, _ = self._environment.reset()
        return self._observation(), {"success": False}

    def step(self, action: NDArray[np.float32]) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """One step of 12.5 ms."""
        self._seen, reward, _, truncated, information = self._environment.step(np.clip(action, -1.0, 1.0))
        return self._observation(), float(reward), False, bool(truncated), {"success": bool(information["success"])}

    def expert_action(self) -> NDArray[np.float32]:
        """What the scripted expert would do now."""
        # Some experts change the observation that they are given.
        return np.clip(self._expert.get_action(self._seen.copy()), -1.0, 1.0).astype(np.float32)

    def surroundings(self) -> NDArray[np.float32]:
        """Where the object and the goal are, m, in the order of SURROUNDINGS."""
        return np.concatenate([self._seen[4:7], self._environment._target_pos]).astype(np.float32)

    def set_object_offset(self, offset: tuple[float, float, float]) -> None:
        """From now on the camera shows what the task is about ``offset`` metres from where it is; physics does not know."""
        self._object_offset = np.array(offset)

    def render(self) -> NDArray[np.uint8]:  # type: ignore[override]  # gymnasium's return type is a type variable of its own
        """The corner camera's image, uint8 (96, 96, 3), upright."""
        model, data = self._environment.model, self._environment.data
        if self._renderer is None:
            self._renderer = OffscreenRenderer(model, {_CAMERA: IMAGE_SIZE})
        for site, position in self._environment._target_site_config:
            data.site(site).xpos = position  # a reset leaves the mark of the goal where it was
        geoms, sites = self._shown_elsewhere()
        data.geom_xpos[geoms] += self._object_offset
        data.site_xpos[sites] += self._object_offset
        image = self._renderer.render(data, _CAMERA)
        data.geom_xpos[geoms] -= self._object_offset
        data.site_xpos[sites] -= self._object_offset
        return np.ascontiguousarray(image[::-1, ::-1])

    def close(self) -> None:
        """Frees the GL context."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None
        self._environment.close()

    def _shown_elsewhere(self) -> tuple[list[int], list[int]]:
        """Numbers of the geometries and sites that an object offset moves in the image."""
        model = self._environment.model
        if self._task == "reach":
            return [], [model.site("goal").id]
        if self._task == "door-open":
            bodies = {body for body in range(model.nbody) if "door" in _ancestors(model, body)}
            return [geom for geom in range(model.ngeom) if model.geom_bodyid[geom] in bodies], []
        return [model.geom("objGeom").id], []

    def _observation(self) -> dict[str, Any]:
        return {"proprioception": self._seen[:4].astype(np.float32)}


def make_environment(task: str) -> MetaWorldEnvironment:
    """The factory that ``ttt-ros evaluate-sim`` is given."""
    return MetaWorldEnvironment(task)


def _make_fast(model: mujoco.MjModel) -> None:
    """Shadows, multisampling and the arm's large meshes take nearly all the time of an image."""
    model.vis.quality.shadowsize = 0
    model.vis.quality.offsamples = 0
    model.light_castshadow[:] = 0
    camera = model.camera(_CAMERA).id
    model.cam_pos[camera], model.cam_fovy[camera] = _CAMERA_POSITION, _FIELD_OF_VIEW
    for geom in range(model.ngeom):
        is_mesh = model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_MESH
        if is_mesh and model.mesh_facenum[model.geom_dataid[geom]] > _LARGE_MESH and model.body(model.geom_bodyid[geom]).name != "hand":
            model.geom_rgba[geom, 3] = 0


def _ancestors(model: mujoco.MjModel, body: int) -> set[str]:
    names = set()
    while body:
        names.add(model.body(body).name)
        body = model.body_parentid[body]
    return names
