"""The action loss after the updates, along recorded deployments: what the outer loop minimises."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from ttt_ros.policies.memory.policy import MemoryPolicy
from ttt_ros.policies.transition import Memory
from ttt_ros.training.meta.configuration import MetaConfig
from ttt_ros.training.meta.inner_loop import InnerLoop, InnerState
from ttt_ros.training.meta.sequences import Sequences

_TIP_BETA = 0.5
_CODE_BETA = 0.05
_RETURN_EVERY = 8
"""Of so many goals one also teaches the way back, which is easy to learn, and so do as many first ones, in which the memory is filled."""


class Carry(NamedTuple):
    """What goes on from segment to segment of a deployment."""

    memory: Memory
    fast: InnerState

    def detached(self) -> "Carry":
        """The same values without their history."""
        return Carry(memory={name: each.detach() for name, each in self.memory.items()}, fast=self.fast.detached())


class Losses(NamedTuple):
    """Means over a segment.

    Attributes:
        total: what is minimised.
        tip: distance of the fingertip from the goal that the chunk's last command would lead to, horizontally, m, to first order.
    """

    total: Tensor
    tip: Tensor


class DeploymentLoss(nn.Module):
    """The loss along segments of deployments: at each goal the action, then what was learned from its outcome."""

    def __init__(self, policy: MemoryPolicy, config: MetaConfig) -> None:
        super().__init__()
        self.policy = policy
        self._config = config

    def begin(self, deployments: int, *, ramp: float) -> Carry:
        """Empty memories and base weights."""
        memory = {name: each.expand(deployments, *each.shape[1:]) for name, each in self.policy.begin().items()}
        return Carry(memory=memory, fast=self._inner(ramp).begin(deployments))

    def forward(self, sequences: Sequences, carry: Carry | None, goals: range, *, ramp: float) -> tuple[Losses, Carry | None]:
        """Runs the deployments through ``goals``; ``ramp`` scales the inner learning rate.

        Without a ``carry``, for a policy that does not adapt, all goals are computed at once, and nothing is carried on.
        """
        if carry is None:
            return self._at_once(sequences), None
        arguments = (sequences, carry, goals, ramp)
        if self._config.outer.checkpointing:
            outcome: tuple[Losses, Carry] = checkpoint(self._segment, *arguments, use_reentrant=False)
            return outcome
        return self._segment(*arguments)

    def _inner(self, ramp: float) -> InnerLoop:
        config = self._config
        return InnerLoop(self.policy, self.policy.fast_parameters(), config.adaptation, order=config.outer.order, ramp=ramp)

    def _segment(self, sequences: Sequences, carry: Carry, goals: range, ramp: float) -> tuple[Losses, Carry]:
        inner, memory, fast = self._inner(ramp), carry.memory, carry.fast
        codes, backs = [], {}
        for goal in goals:
            codes.append(self.policy.act_code(sequences.features(goal, 0), fast.weights, memory))
            memory = self.policy.remember(memory, sequences.transitions(goal))
            fast = inner.step(fast, sequences.transitions(self._window(goal)))
            if goal < _RETURN_EVERY or goal % _RETURN_EVERY == 0:
                backs[goal] = self.policy.act_code(sequences.features(goal, 1), fast.weights, memory)
        losses = self._losses(sequences, slice(goals.start, goals.stop), torch.stack(codes, dim=1))
        back = self._return_loss(sequences, list(backs), torch.stack(list(backs.values()), dim=1)) if backs else 0.0
        return Losses(total=losses.total + back, tip=losses.tip), Carry(memory=memory, fast=fast)

    def _at_once(self, sequences: Sequences) -> Losses:
        everything = slice(None)
        transitions = sequences.transitions(everything)
        told = sequences.hidden if self._config.policy.privileged else None
        losses = self._losses(sequences, everything, self.policy.act_along(sequences.features(everything, 0), transitions, told))
        back = self._return_loss(sequences, everything, self.policy.act_along(sequences.features(everything, 1), transitions, told))
        return Losses(total=losses.total + back, tip=losses.tip)

    def _window(self, goal: int) -> slice:
        """As ``TransitionWindow`` has it after ``goal``."""
        return slice(max(0, goal + 1 - self._config.adaptation.window), goal + 1)

    def _losses(self, sequences: Sequences, goals: slice, codes: Tensor) -> Losses:
        """The loss of the movements (deployments, goals, code) and by how far their tips are off."""
        outer, movements = self._config.outer, self.policy.movements
        labels = sequences.labels[:, goals, 0]
        missed = movements.chunks(codes)[..., -1, :] - labels[..., -1, :]
        tips = (sequences.jacobians[:, goals] @ missed[..., None])[..., 0]
        scale = tips.new_tensor([1.0, 1.0, outer.height_weight]) / outer.tip_scale
        code_loss = _robust(codes - movements.codes(labels), beta=_CODE_BETA)
        total = outer.tip_weight * _robust(tips * scale, beta=_TIP_BETA) + outer.code_weight * code_loss
        return Losses(total=total, tip=tips[..., :2].detach().norm(dim=-1).mean())

    def _return_loss(self, sequences: Sequences, goals: slice | list[int], codes: Tensor) -> Tensor:
        labels = self.policy.movements.codes(sequences.labels[:, goals, 1])
        return self._config.outer.code_weight * _robust(codes - labels, beta=_CODE_BETA)


def segments(goals: int, *, length: int) -> Iterator[range]:
    """Cuts 0..goals into ranges of ``length``; the last may be shorter."""
    for start in range(0, goals, length):
        yield range(start, min(start + length, goals))


def _robust(error: Tensor, *, beta: float) -> Tensor:
    loss: Any = functional.smooth_l1_loss(error, torch.zeros_like(error), beta=beta)
    return torch.as_tensor(loss)
