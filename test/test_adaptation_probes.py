"""Probes measure how far the actions have moved from the base policy's."""

import math

import torch
from small_policy import WIDTH, SmallPolicy, observation

from ttt_ros.adaptation.probes import Probes

POLICY = SmallPolicy()
BASE = POLICY.base_fast_weights()


def moved(value: float) -> dict[str, torch.Tensor]:
    return {**BASE, "blocks.3.mlp.down": torch.full_like(BASE["blocks.3.mlp.down"], value)}


def test_base_weights_deviate_by_nothing():
    probes = Probes(POLICY, BASE, size=2)
    assert probes.deviation(moved(1.0)) == 0.0  # nothing stored yet
    probes.offer(POLICY.encode(observation()))
    assert probes.deviation(BASE) == 0.0


def test_the_deviation_is_the_largest_change_of_any_action():
    probes = Probes(POLICY, BASE, size=2)
    features = [POLICY.encode(observation(seed=seed)) for seed in range(3)]
    for each in features:
        probes.offer(each)
    changes = [float((POLICY.act(each, moved(0.1)) - POLICY.act(each, BASE)).abs().max()) for each in features]
    assert math.isclose(probes.deviation(moved(0.1)), max(changes[:2]), rel_tol=1e-5)  # the third found no room


def test_given_probes_are_kept_alone():
    given = POLICY.encode(observation(seed=1))
    probes = Probes(POLICY, BASE, size=4, given=given)
    expected = probes.deviation(moved(0.1))
    probes.offer(POLICY.encode(observation(seed=2)))
    assert probes.deviation(moved(0.1)) == expected > 0.0


def test_a_probe_on_which_the_base_policy_fails_is_not_stored():
    probes = Probes(POLICY, BASE, size=1)
    probes.offer({"state": torch.full((1, WIDTH), math.nan), "joints": torch.zeros(1, 3)})
    assert probes.deviation(moved(0.1)) == 0.0


def test_actions_that_are_not_finite_deviate_by_nan():
    probes = Probes(POLICY, BASE, size=1, given=POLICY.encode(observation()))
    assert math.isnan(probes.deviation(moved(math.nan)))
