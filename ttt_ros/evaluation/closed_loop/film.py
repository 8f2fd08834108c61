"""Camera frames that are rendered only once somebody looks at them: rendering is half of what a virtual second costs."""

import torch
from torch import Tensor

from ttt_ros.evaluation.closed_loop.disturbance import Disturbance, Pixels
from ttt_ros.policies.delegating import DelegatingPolicy
from ttt_ros.policies.observation import Observation
from ttt_ros.policies.protocol import Policy
from ttt_ros.policies.specification import CameraSpecification
from ttt_ros.policies.transition import Features
from ttt_ros.simulation.engine import Simulation


class Film:
    """Frames of one instant, still dark.

    A frame can be developed until the physics moves on. One that nobody looked at by then is emptied, so that a late look fails loudly
    instead of showing what was never taken; the noise of such a frame is never drawn.
    """

    def __init__(self, simulation: Simulation, disturbance: Disturbance) -> None:
        """Takes pictures of ``simulation``."""
        self._simulation = simulation
        self._disturbance = disturbance
        self._dark: dict[str, Tensor] = {}
        self._now = 0

    def expose(self, camera: CameraSpecification, now: int) -> Tensor:
        """The frame taken at ``now``: uint8 (height, width, 3), black until it is developed."""
        self._now = now
        frame = torch.zeros((camera.height, camera.width, 3), dtype=torch.uint8)
        self._dark[camera.name] = frame
        if self._disturbance.is_near(now):
            self.develop(camera.name, frame)
        return frame

    def develop(self, camera: str, frame: Tensor) -> None:
        """Makes ``frame`` show what ``camera`` saw, if it does not yet."""
        if self._dark.get(camera) is frame:
            del self._dark[camera]
            pixels: Pixels = self._disturbance.image(camera, self._simulation.render(camera), self._now)
            frame.copy_(torch.from_numpy(pixels))

    def expire(self) -> None:
        """Empties the frames that nobody looked at, before the physics moves on."""
        for frame in self._dark.values():
            frame.resize_(0)
        self._dark.clear()


class LookingPolicy(DelegatingPolicy):
    """A policy whose observations are developed when it looks at them."""

    def __init__(self, policy: Policy, film: Film) -> None:
        """Wraps ``policy``, which looks at frames of ``film``."""
        super().__init__(policy)
        self._film = film

    def encode(self, observation: Observation) -> Features:
        """As the policy, of what the cameras saw."""
        for camera, frame in observation.images.items():
            self._film.develop(camera, frame)
        return super().encode(observation)
