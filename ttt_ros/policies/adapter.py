"""Somebody else's torch module, made to obey the policy protocol."""

import copy
import threading
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cached_property
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ttt_ros.errors import AdaptationError
from ttt_ros.policies.checksum import tensor_checksum
from ttt_ros.policies.observation import Observation
from ttt_ros.policies.protocol import Memoryless, Reconstruction
from ttt_ros.policies.specification import PolicySpecification
from ttt_ros.policies.transition import NO_MEMORY, FastWeights, Features, Memory, Transitions

_NORMS = (
    nn.LayerNorm,
    nn.RMSNorm,
    nn.GroupNorm,
    nn.modules.batchnorm._NormBase,  # the one base of all batch and instance norms
)
_REFUSED_NAMES = {"norm": "a norm", "embed": "an embedding", "attn": "attention", "attention": "attention"}


class ModuleAdapter(Memoryless):
    """Wraps a module and three functions of it into :class:`ttt_ros.policies.protocol.Policy`.

    The functions receive the module to call instead of closing over it: the fast weights that the caller hands in take the place of
    its parameters for the length of a call. Because that is not safe between threads that share a module, each thread gets its own
    structure of submodules around the same tensors.
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        specification: PolicySpecification,
        fast_patterns: Sequence[str],
        action_head: str,
        check_instruction: Callable[[str], None],
        encode: Callable[[nn.Module, Observation], Features],
        act: Callable[[nn.Module, Features], Tensor],
        reconstruct: Callable[[nn.Module, Transitions], dict[str, Reconstruction]],
    ) -> None:
        """Freezes ``module`` and selects its fast parameters.

        Args:
            module: put into evaluation mode; none of its parameters requires gradients afterwards.
            specification: what the module expects of the robot.
            fast_patterns: shell-style patterns of parameter names, such as ``"layers.3.mlp.*"``.
            action_head: name of the submodule that computes the actions, which must not adapt.
            check_instruction: raises InstructionError for an instruction that the module cannot read.
            encode: computes the features of one observation, batch first, without any fast parameter.
            act: computes chunks from features, as ``Policy.act``.
            reconstruct: predicts outcomes from transitions, as ``Policy.reconstruct``.

        Raises:
            AdaptationError: a pattern matches nothing, or matches what must not adapt; or ``action_head`` names no submodule.
        """
        self._module = module.requires_grad_(False).eval()
        self._specification = specification
        self._fast = _selected(module, fast_patterns, action_head)
        self._check_instruction = check_instruction
        self._encode = encode
        self._act = act
        self._reconstruct = reconstruct
        self._local = threading.local()

    @property
    def specification(self) -> PolicySpecification:
        """What the policy expects of the robot."""
        return self._specification

    @cached_property
    def checksum(self) -> str:
        """SHA-256 over all parameters and buffers, computed at the first use."""
        return tensor_checksum(self._module.state_dict())

    def fast_modules(self) -> tuple[str, ...]:
        """Names of the submodules that hold fast parameters."""
        return tuple(dict.fromkeys(name.rpartition(".")[0] for name in self._fast))

    def base_fast_weights(self) -> FastWeights:
        """Fresh float32 copies of the fast parameters; with them the policy is the base policy bit for bit."""
        return {name: parameter.detach().to(torch.float32, copy=True) for name, parameter in self._fast.items()}

    def check_instruction(self, instruction: str) -> None:
        """Raises InstructionError if the module cannot read ``instruction``."""
        self._check_instruction(instruction)

    @torch.no_grad()
    def encode(self, observation: Observation) -> Features:
        """Computes the features of one observation, without gradients."""
        return self._encode(self._structure().module, observation)

    def act(self, features: Features, fast: FastWeights, memory: Memory = NO_MEMORY) -> Tensor:
        """Computes chunks with the weights in ``fast``; differentiable with respect to them."""
        return self._called(self._act, features, fast)  # type: ignore[no-any-return]

    def reconstruct(self, transitions: Transitions, fast: FastWeights) -> dict[str, Reconstruction]:
        """Predicts outcomes with the weights in ``fast``; differentiable with respect to them."""
        return self._called(self._reconstruct, transitions, fast)  # type: ignore[no-any-return]

    def _called(self, function: Callable[[nn.Module, Any], Any], argument: object, fast: FastWeights) -> Any:
        weights = {f"module.{name}": weight.to(self._fast[name].dtype) for name, weight in fast.items()}
        return functional_call(self._structure(), weights, (function, argument))

    def _structure(self) -> "_Caller":
        if not hasattr(self._local, "caller"):
            shared = {id(tensor): tensor for tensor in chain(self._module.parameters(), self._module.buffers())}
            self._local.caller = _Caller(copy.deepcopy(self._module, shared))
        caller: _Caller = self._local.caller
        return caller


class _Caller(nn.Module):
    """Lets ``functional_call``, which runs ``forward`` alone, run any function of a module."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, function: Callable[[nn.Module, Any], Any], argument: object) -> Any:
        return function(self.module, argument)


def _selected(module: nn.Module, patterns: Sequence[str], action_head: str) -> Mapping[str, nn.Parameter]:
    if action_head not in dict(module.named_modules()):
        raise AdaptationError(f"the module has no submodule '{action_head}'; name the one that computes the actions")
    parameters = dict(module.named_parameters())
    empty = [pattern for pattern in patterns if not any(fnmatchcase(name, pattern) for name in parameters)]
    if empty or not patterns:
        unmatched = ", ".join(map(repr, empty)) or "an empty list of patterns"
        raise AdaptationError(f"no parameter matches {unmatched}; there are: {', '.join(parameters)}")
    selected = {name: weight for name, weight in parameters.items() if any(fnmatchcase(name, pattern) for pattern in patterns)}
    refused = [f"{name} is {reason}" for name, weight in selected.items() if (reason := _refusal(module, name, weight, action_head))]
    if refused:
        raise AdaptationError(f"these parameters must not adapt: {'; '.join(refused)}; narrow the patterns to MLPs of late blocks")
    return selected


def _refusal(module: nn.Module, name: str, parameter: nn.Parameter, action_head: str) -> str | None:
    """Why a parameter must not adapt, None if it may: MLPs alone, never what scales, embeds, attends or acts (arXiv 2512.23675)."""
    path = name.split(".")[:-1]
    owners = [module.get_submodule(".".join(path[:depth])) for depth in range(len(path) + 1)]
    if not parameter.is_floating_point():
        return f"of type {parameter.dtype}, not floating point"
    if name.startswith(f"{action_head}."):
        return "part of the action head"
    if isinstance(owners[-1], _NORMS):
        return "a norm"
    if isinstance(owners[-1], (nn.Embedding, nn.EmbeddingBag)):
        return "an embedding"
    if any(isinstance(owner, nn.MultiheadAttention) for owner in owners):
        return "attention"
    return next((kind for part, kind in _REFUSED_NAMES.items() if part in name.lower()), None)
