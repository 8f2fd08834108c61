"""A policy that adapts while it acts, without ROS and without a clock, for recordings."""

import numpy as np
import torch
from numpy.typing import NDArray

from ttt_ros.adaptation.configuration import AdaptationConfig
from ttt_ros.adaptation.learner import Learner
from ttt_ros.adaptation.versions import VersionStore
from ttt_ros.adaptation.window import TransitionWindow
from ttt_ros.control.executed import transition_between
from ttt_ros.policies.observation import Observation
from ttt_ros.policies.protocol import Policy


class AdaptingAgent:
    """Decides, and learns from what followed with the run-time learner and all its gates."""

    def __init__(self, policy: Policy, config: AdaptationConfig) -> None:
        """Begins at the base with an empty memory."""
        self._policy = policy
        self._store = VersionStore(policy.base_fast_weights(), modules=policy.fast_modules(), size=config.versions)
        self._learner = Learner(policy, config, self._store)
        self._window = TransitionWindow(size=config.window, minimum=config.minimum_samples)
        self._memory = policy.begin()

    @torch.no_grad()
    def decide(self, observation: Observation) -> NDArray[np.float64]:
        """The chunk for an observation: joint positions, rad, float64 (horizon, joints)."""
        features = self._policy.encode(observation)
        self._before = (observation, features)
        self._chunk = self._policy.act(features, self._store.current.weights, self._memory)
        return self._chunk[0].double().numpy()

    @torch.no_grad()
    def see(self, observation: Observation) -> None:
        """Learns from what is seen after the whole chunk was played."""
        after = (observation, self._policy.encode(observation))
        transition = transition_between(self._before, self._chunk, after, meaning=self._policy.specification.action_meaning)
        if not bool(self._policy.informative(transition)):
            return
        self._memory = self._policy.remember(self._memory, transition)
        window = self._window.push(transition, stamp=self._before[0].stamp)
        if window is not None:
            self._learner.adapt(window, epoch=self._store.epoch)
