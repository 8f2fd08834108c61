"""The built-in vision-language-action policy: a small transformer whose last blocks carry fast MLPs."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from ttt_ros.configuration import strict
from ttt_ros.errors import SpecificationError
from ttt_ros.policies.checksum import tensor_checksum
from ttt_ros.policies.familiarity import Familiarity
from ttt_ros.policies.layers import Block, ImageTokens, LateBlock, patch_size
from ttt_ros.policies.memory.memories import LstmMemory
from ttt_ros.policies.observation import Observation
from ttt_ros.policies.observed import checked_positions, stacked_images
from ttt_ros.policies.protocol import Memoryless, Reconstruction
from ttt_ros.policies.specification import ActionMeaning, PolicySpecification
from ttt_ros.policies.transition import NO_MEMORY, FastWeights, Features, Memory, Transitions
from ttt_ros.policies.vocabulary import Vocabulary

PositiveInt = Annotated[int, Field(gt=0, le=1 << 20)]


@strict
@dataclass(frozen=True, kw_only=True)
class VlaConfig:
    """All sizes of the policy; the defaults make 1.3 million parameters, and the same code serves hundreds of millions.

    Attributes:
        width: channels of a token; a multiple of ``heads``.
        heads: attention heads.
        depth: transformer blocks; the last quarter of them, rounded up, carries the fast MLPs.
        mlp_width: hidden channels of the slow MLPs.
        fast_width: hidden channels of the fast MLPs.
        stem_channels: output channels of the convolutions, the first divides the resolution by four, the others by two; two at least.
        key_points: image positions that the stem reads off each camera.
        memory: channels of a recurrent memory of what was commanded and where the joints were after it (Hochreiter and Schmidhuber, 1997);
            0: the policy has none.
    """

    width: PositiveInt = 128
    heads: PositiveInt = 4
    depth: Annotated[int, Field(ge=2, le=1000)] = 6
    mlp_width: PositiveInt = 256
    fast_width: PositiveInt = 128
    stem_channels: Annotated[tuple[PositiveInt, ...], Field(min_length=2, max_length=12)] = (64, 96, 128, 128)
    key_points: PositiveInt = 32
    memory: Annotated[int, Field(ge=0)] = 0

    @property
    def late_blocks(self) -> int:
        """Number of blocks with a fast MLP."""
        return math.ceil(self.depth / 4)

    @property
    def patch(self) -> int:
        """Side in pixels of the image patch behind one token."""
        return patch_size(self.stem_channels)


class VisionLanguageActionPolicy(Familiarity, Memoryless, nn.Module):
    """Answers images, joint positions and an instruction with a chunk of absolute joint positions.

    It obeys :class:`ttt_ros.policies.protocol.Policy`. The trunk is all that runs before the first fast MLP; its output
    tokens are the features. ``act`` and ``reconstruct`` run the late blocks over those tokens and a few of their own. Neither they
    nor ``encode`` change the module, and the weights in ``fast`` are passed through the computation rather than swapped in,
    so threads may call it at once.

    The normalisation statistics are buffers, so they belong to the checkpoint and to the checksum.
    """

    position_mean: Tensor
    position_scale: Tensor
    action_scale: Tensor
    position_change_scale: Tensor
    summary_change_scale: Tensor

    def __init__(self, *, config: VlaConfig, specification: PolicySpecification, vocabulary: Vocabulary) -> None:
        """Builds the policy with random weights and unit statistics.

        Raises:
            SpecificationError: the sizes in ``config`` and ``specification`` do not fit each other.
        """
        super().__init__()
        _check_sizes(config, specification)
        self.config = config
        self._specification = specification
        self.vocabulary = vocabulary
        width, joints, horizon = config.width, len(specification.joint_names), specification.horizon
        cameras, image = len(specification.cameras), (specification.cameras[0].height, specification.cameras[0].width)
        self._image_size = image
        self._tokens_per_camera = (image[0] // config.patch) * (image[1] // config.patch) + 1

        self.words = nn.Embedding(len(vocabulary), width)
        self.word_positions = _embedding(specification.max_instruction_words, width)
        self.images = ImageTokens(channels=config.stem_channels, points=config.key_points, condition=width, width=width, image=image)
        self.image_positions = _embedding(self._tokens_per_camera, width)
        self.cameras = _embedding(cameras, 1, width)
        self.proprioception = nn.Linear(joints, width)
        block = {"width": width, "heads": config.heads, "mlp_width": config.mlp_width}
        self.trunk = nn.ModuleList(Block(**block) for _ in range(config.depth - config.late_blocks))

        self.late = nn.ModuleList(LateBlock(**block, fast_width=config.fast_width) for _ in range(config.late_blocks))
        self.final_norm = nn.LayerNorm(width)
        self.action_queries = _embedding(horizon, width)
        self.action_head = nn.Linear(width, joints)
        self.executed = nn.Linear(joints, width)
        self.executed_positions = _embedding(horizon, width)
        self.not_executed = _embedding(width)
        self.outcome_queries = _embedding(2, width)
        self.summary_head = nn.Linear(width, cameras * width)
        self.position_head = nn.Linear(width, joints)
        self.memory = LstmMemory(width=width, hidden=config.memory) if config.memory else None
        if self.memory is not None:
            self.experience = nn.Linear((2 + horizon) * joints, width)
            self.recollection = _embedding(width)

        self.register_buffer("position_mean", torch.zeros(joints))
        self.register_buffer("position_scale", torch.ones(joints))
        self.register_buffer("action_scale", torch.ones(horizon, joints))
        self.register_buffer("position_change_scale", torch.ones(joints))
        self.register_buffer("summary_change_scale", torch.ones(cameras * width))

    @property
    def specification(self) -> PolicySpecification:
        """What the policy expects of the robot."""
        return self._specification

    @cached_property
    def checksum(self) -> str:
        """SHA-256 over all parameters and statistics, computed at the first use: read it when training is over."""
        return tensor_checksum(self.state_dict())

    def fast_modules(self) -> tuple[str, ...]:
        """The fast MLPs, one for each late block."""
        return tuple(f"late.{index}.fast" for index in range(self.config.late_blocks))

    def base_fast_weights(self) -> FastWeights:
        """Fresh float32 copies of the fast MLPs' parameters; with them the policy is the base policy bit for bit."""
        return {name: weight.detach().clone() for name, weight in self.fast_parameters().items()}

    def fast_parameters(self) -> dict[str, nn.Parameter]:
        """The fast MLPs' own parameters by name, for training them together with the rest."""
        prefixes = tuple(f"{name}." for name in self.fast_modules())
        return {name: weight for name, weight in self.named_parameters() if name.startswith(prefixes)}

    def check_instruction(self, instruction: str) -> None:
        """Raises InstructionError if ``instruction`` is empty, too long, or holds unknown words."""
        self.vocabulary.encode(instruction, length=self._specification.max_instruction_words)

    @torch.no_grad()
    def encode(self, observation: Observation) -> Features:
        """Runs the trunk once on one observation: features with a batch axis of 1, on the policy's device.

        Raises:
            InstructionError: the policy cannot read the instruction.
            ObservationError: a camera is missing or an image or the joint positions have the wrong shape.
        """
        device = self.position_mean.device
        words = self.vocabulary.encode(observation.instruction, length=self._specification.max_instruction_words)
        return self.encode_batch(
            images=stacked_images(observation, self._specification)[None].to(device),
            positions=checked_positions(observation, self._specification)[None].to(device),
            words=torch.tensor([words], device=device),
        )

    def encode_batch(self, *, images: Tensor, positions: Tensor, words: Tensor) -> dict[str, Tensor]:
        """Runs the trunk on a batch, with gradients where they are enabled.

        Args:
            images: RGB, uint8, shape (batch, cameras, height, width, 3).
            positions: joint positions, float32, radians, shape (batch, joints).
            words: word indices, int64, shape (batch, max_instruction_words).

        Returns:
            ``tokens`` (batch, tokens, width); ``proprioception``, the positions as they came; ``summary`` (batch, cameras * width),
            the mean of each camera's normalised tokens, the target of reconstruction; ``look``, of each camera as in ``ImageTokens``, side
            by side.
        """
        batch, cameras = images.shape[:2]
        word_tokens = self.words(words)
        condition = word_tokens.mean(dim=1).repeat_interleave(cameras, dim=0)
        pixels = images.flatten(0, 1).permute(0, 3, 1, 2).float() / 127.5 - 1
        seen, look = self.images(pixels, condition)
        image_tokens = seen.reshape(batch, cameras, self._tokens_per_camera, -1) + self.image_positions + self.cameras
        state_token = self.proprioception((positions - self.position_mean) / self.position_scale)[:, None]
        tokens = torch.cat([image_tokens.flatten(1, 2), word_tokens + self.word_positions, state_token], dim=1)
        for block in self.trunk:
            tokens = block(tokens)
        seen = tokens[:, : cameras * self._tokens_per_camera].reshape(batch, cameras, self._tokens_per_camera, -1)
        summary = functional.layer_norm(seen.float(), seen.shape[-1:]).mean(dim=2).flatten(1)
        return {"tokens": tokens, "proprioception": positions, "summary": summary, "look": look.reshape(batch, -1)}

    def summary(self, features: Features) -> Tensor:
        """What kind of images they are and the normalised joint positions, (batch, cameras * look + joints).

        The tokens behind the trunk would hardly tell: attention evens out noise and fog.
        """
        return torch.cat([features["look"], (features["proprioception"] - self.position_mean) / self.position_scale], dim=-1)

    def act(self, features: Features, fast: FastWeights, memory: Memory = NO_MEMORY) -> Tensor:
        """Computes chunks of target positions, float32, radians, shape (batch, horizon, joints); differentiable."""
        return features["proprioception"][:, None] + self.normalised_offsets(features, fast, memory) * self.action_scale

    def normalised_offsets(self, features: Features, fast: FastWeights, memory: Memory = NO_MEMORY) -> Tensor:
        """The chunk as offsets from the observed positions in units of ``action_scale``: what behaviour cloning fits."""
        queries: Tensor = self.action_queries
        if self.memory is not None:
            recalled = self._recalled(self.memory, memory, batch=len(features["proprioception"]))
            queries = torch.cat([recalled[:, None], queries.expand(len(recalled), -1, -1)], dim=1)
        own = self._late(features, queries, fast)
        offsets: Tensor = self.action_head(own[:, -len(self.action_queries) :])
        return offsets.float()

    def begin(self) -> Memory:
        """A memory of nothing."""
        return NO_MEMORY if self.memory is None else self.memory.begin()

    def remember(self, memory: Memory, transitions: Transitions) -> Memory:
        """The memory after one more transition; differentiable."""
        if self.memory is None:
            return memory
        before, after = transitions.features["proprioception"], transitions.next_features["proprioception"]
        offsets, executed = self._executed_offsets(transitions)
        told = [
            (before - self.position_mean) / self.position_scale,
            (after - before) / self.position_scale,
            (offsets * executed).flatten(1),
        ]
        return self.memory.remember({**self.memory.begin(), **memory}, self.experience(torch.cat(told, dim=1)))

    def reconstruct(self, transitions: Transitions, fast: FastWeights) -> dict[str, Reconstruction]:
        """Predicts from an observation and the executed actions how the next observation differs; differentiable.

        Returns:
            ``features``: the change of the camera summaries, shape (batch, cameras * width);
            ``proprioception``: the change of the joint positions, shape (batch, joints).
            Both are in units of the standard deviation in training, so that predicting no change has a squared error near 1.
        """
        before, after = transitions.features, transitions.next_features
        own = torch.cat([self._executed_tokens(transitions), self.outcome_queries.expand(len(transitions), -1, -1)], dim=1)
        outcome = self._late(before, own, fast)[:, -2:]
        summary_change = (after["summary"] - before["summary"]) / self.summary_change_scale
        position_change = (after["proprioception"] - before["proprioception"]) / self.position_change_scale
        return {
            "features": Reconstruction(prediction=self.summary_head(outcome[:, 0]).float(), target=summary_change),
            "proprioception": Reconstruction(prediction=self.position_head(outcome[:, 1]).float(), target=position_change),
        }

    def _late(self, features: Features, own: Tensor, fast: FastWeights) -> Tensor:
        """Runs the late blocks over the features' tokens and ``own`` ones, and returns the latter, normalised."""
        batch, count = features["tokens"].shape[0], own.shape[-2]
        tokens = torch.cat([features["tokens"], own.expand(batch, -1, -1)], dim=1)
        for block, name in zip(self.late, self.fast_modules(), strict=True):
            tokens = block(tokens, fast, name)
        normed: Tensor = self.final_norm(tokens[:, -count:])
        return normed

    def _recalled(self, lstm: LstmMemory, memory: Memory, *, batch: int) -> Tensor:
        return lstm.recall(self.recollection.expand(batch, -1), {**lstm.begin(), **memory})

    def _executed_offsets(self, transitions: Transitions) -> tuple[Tensor, Tensor]:
        """The commands as offsets from the positions before, in units of ``action_scale``, and which of them were executed."""
        offsets = (transitions.executed - transitions.features["proprioception"][:, None]) / self.action_scale
        order = torch.arange(offsets.shape[1], device=offsets.device)
        return offsets, (order < transitions.steps[:, None])[:, :, None]

    def _executed_tokens(self, transitions: Transitions) -> Tensor:
        offsets, executed = self._executed_offsets(transitions)
        return torch.where(executed, self.executed(offsets), self.not_executed) + self.executed_positions


def _embedding(*shape: int) -> nn.Parameter:
    return nn.Parameter(0.02 * torch.randn(shape))


def _check_sizes(config: VlaConfig, specification: PolicySpecification) -> None:
    sizes = {(camera.height, camera.width) for camera in specification.cameras}
    if len(sizes) != 1:
        raise SpecificationError(f"the policy needs at least one camera and the same image size for all, but got {sorted(sizes)}")
    height, width = next(iter(sizes))
    if height % config.patch or width % config.patch:
        raise SpecificationError(f"images of {height} x {width} pixels cannot be cut into patches of {config.patch}; use a multiple of it")
    if config.width % config.heads:
        raise SpecificationError(f"a token width of {config.width} cannot be split into {config.heads} heads; use a multiple of it")
    if specification.action_meaning is not ActionMeaning.ABSOLUTE:
        raise SpecificationError("the built-in policy answers with absolute positions; set the action meaning to 'absolute'")
