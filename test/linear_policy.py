"""A policy linear in its fast weights, on which an update is one of recursive least squares, and streams that it can learn exactly."""

from collections.abc import Iterator

import torch
from torch import Tensor

from ttt_ros.adaptation.configuration import AdaptationConfig
from ttt_ros.policies.observation import Observation
from ttt_ros.policies.protocol import Memoryless, Reconstruction
from ttt_ros.policies.specification import PolicySpecification
from ttt_ros.policies.transition import NO_MEMORY, FastWeights, Features, Memory, Transitions

INPUTS, OUTPUTS = 3, 2
BASE = torch.ones(OUTPUTS, INPUTS)
NOISE = 0.05

RECURSIVE = AdaptationConfig(
    objectives={"outcome": 1.0},
    window=4,
    minimum_samples=1,
    ridge=1.0,
    learning_rate=OUTPUTS / 2,  # undoes the mean over the outputs and the 2 of the square
    pull_back=0.01,
    clip_norm=1e6,
    gradient_limit=1e6,
    gate_factor=1e6,
    drift_limit=10.0,
    probe_limit=6.3,
)


class LinearPolicy(Memoryless):
    """Predicts the outcome as the fast matrix times the state, and acts by that."""

    specification: PolicySpecification
    checksum = "linear"

    def base_fast_weights(self) -> FastWeights:
        return {"layer.matrix": BASE.clone()}

    def fast_modules(self) -> tuple[str, ...]:
        return ("layer",)

    def check_instruction(self, instruction: str) -> None:
        pass

    def encode(self, observation: Observation) -> Features:
        raise NotImplementedError

    def act(self, features: Features, fast: FastWeights, memory: Memory = NO_MEMORY) -> Tensor:
        return (features["state"] @ fast["layer.matrix"].mT)[:, None]

    def reconstruct(self, transitions: Transitions, fast: FastWeights) -> dict[str, Reconstruction]:
        inputs = transitions.features["state"]
        prediction = inputs @ fast["layer.matrix"].mT
        return {
            "outcome": Reconstruction(prediction=prediction, target=transitions.next_features["state"], inputs={"layer.matrix": inputs})
        }


def linear_stream(truth: Tensor, count: int, *, seed: int = 0, poisoned: float = 0.0) -> Iterator[Transitions]:
    """Single transitions whose outcome is ``truth``, (outputs, inputs), times the state, with noise.

    Args:
        poisoned: probability that an outcome is that of an unrelated state, as in a stream that was swapped with another's.
    """
    generator = torch.Generator().manual_seed(seed)
    for _ in range(count):
        state, other = torch.randn(2, 1, INPUTS, generator=generator)
        told = 3.0 * other if torch.rand((), generator=generator) < poisoned else state
        outcome = told @ truth.mT + NOISE * torch.randn(1, OUTPUTS, generator=generator)
        yield Transitions(
            features={"state": state}, executed=torch.zeros(1, 1, OUTPUTS), steps=torch.ones(1), next_features={"state": outcome}
        )


def squared_distance(weights: FastWeights, truth: Tensor) -> float:
    return float((weights["layer.matrix"] - truth).square().sum())
