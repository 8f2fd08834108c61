"""A policy that decides a whole movement at once and learns from where its hand ended."""

from collections.abc import Mapping
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.nn import functional

from ttt_ros.errors import SpecificationError
from ttt_ros.policies.checksum import tensor_checksum
from ttt_ros.policies.familiarity import Familiarity
from ttt_ros.policies.memory.configuration import MemoryConfig, MemoryKind
from ttt_ros.policies.memory.memories import AttentionMemory, LstmMemory, WindowMemory
from ttt_ros.policies.memory.movements import MovementBasis
from ttt_ros.policies.observation import Observation
from ttt_ros.policies.observed import checked_positions, stacked_images
from ttt_ros.policies.protocol import Reconstruction
from ttt_ros.policies.sight import Sight
from ttt_ros.policies.specification import ActionMeaning, PolicySpecification
from ttt_ros.policies.transition import NO_MEMORY, FastWeights, Features, Memory, Transitions
from ttt_ros.policies.vocabulary import PADDING, Vocabulary

FAST = "fast"
_FAST_MATRIX = f"{FAST}.down"
_TOLD = "told"
_SEEN = 0.5
"""Confidence from which a point counts as seen."""


class MemoryPolicy(Familiarity, nn.Module):
    """Answers an image, joint positions and an instruction with a chunk of absolute joint positions.

    It obeys :class:`ttt_ros.policies.protocol.Policy`. The trunk finds points in the image; the instruction says which of them is the goal.
    State -> memory of the last transitions -> fast MLP -> code of a movement.

    The reconstruction is an inverse model in hindsight (after arXiv 1707.01495 and 1912.06088): what was reached is taken for what had been
    asked for, and the policy predicts the movement that led there. So the loss asks the very question that the policy is to answer. What
    stands for "what was reached" is learned in the outer loop (arXiv 2310.13807).

    Only the movement's effects are predicted, see ``MovementBasis``. Whatever else the policy did, a wrist turned where it makes no
    difference, the outcome would confirm as well: the policy would learn it from itself, and drift without end along what is not
    observed, as adaptive controllers do whose input does not excite all their parameters (Anderson, Automatica 21, 1985).

    The last layer of the fast MLP adapts; it adds effects to what the head says, so the loss is quadratic in it, and its inputs are handed
    out for preconditioning.

    Image features, states and fast weights may carry leading axes of their own; a batch of deployments adapts at once that way.
    """

    position_mean: Tensor
    position_scale: Tensor

    def __init__(self, *, config: MemoryConfig, specification: PolicySpecification, vocabulary: Vocabulary) -> None:
        """Builds the policy with random weights and unit statistics.

        Raises:
            SpecificationError: the sizes in ``config`` and ``specification`` do not fit each other.
        """
        super().__init__()
        _check_sizes(config, specification)
        self.config = config
        self._specification = specification
        self.vocabulary = vocabulary
        width, hidden, joints = config.width, config.hidden, len(specification.joint_names)

        self.sight = Sight(config.sight)
        self.words = nn.Embedding(len(vocabulary), config.words)
        self.goal = nn.Linear(config.words, config.sight.points)
        # With smaller scores the choice of the point is learned late, and all else after it; with larger ones it settles on a wrong point.
        nn.init.normal_(self.goal.weight, std=0.3)
        self.state = nn.Sequential(
            nn.Linear(3 + joints + config.words + config.privileged, hidden),
            nn.GELU(),
            nn.Linear(hidden, hidden),
            nn.GELU(),
            nn.Linear(hidden, width),
        )
        correction = nn.Linear(hidden, 2)
        nn.init.zeros_(correction.weight)
        nn.init.zeros_(correction.bias)
        self.reached = nn.Sequential(nn.Linear(6 + 2 * joints, hidden), nn.GELU(), correction)
        self.memory = _memory(config)
        if self.memory is not None:
            self.token = nn.Sequential(nn.Linear(width + config.code, hidden), nn.GELU(), nn.Linear(hidden, width))
        if config.fast_width:
            self.norm = nn.LayerNorm(width)
            self.up = nn.Linear(width, config.fast_width)
            self.down = nn.Parameter(0.02 * torch.randn(config.effects, config.fast_width))
            self.log_rate = nn.Parameter(torch.zeros(()))
        self.head = nn.Linear(width, config.code)
        self.movements = MovementBasis(horizon=specification.horizon, joints=joints, code=config.code, effects=config.effects)

        self.register_buffer("position_mean", torch.zeros(joints))
        self.register_buffer("position_scale", torch.ones(joints))

    @property
    def specification(self) -> PolicySpecification:
        """What the policy expects of the robot."""
        return self._specification

    @cached_property
    def checksum(self) -> str:
        """SHA-256 over all parameters and statistics, computed at the first use: read it when training is over."""
        return tensor_checksum(self.state_dict())

    def fast_modules(self) -> tuple[str, ...]:
        """The fast MLP, if there is one."""
        return (FAST,) if self.config.fast_width else ()

    def base_fast_weights(self) -> FastWeights:
        """A fresh float32 copy of the fast MLP's last layer; with it the policy is the base policy bit for bit."""
        return {name: weight.detach().clone() for name, weight in self.fast_parameters().items()}

    def fast_parameters(self) -> dict[str, nn.Parameter]:
        """The fast parameters themselves by name, for training them together with the rest."""
        return {_FAST_MATRIX: self.down} if self.config.fast_width else {}

    def rates(self) -> Mapping[str, Tensor]:
        """The learned factor on the learning rate; positive, as its logarithm is what is learned."""
        return {_FAST_MATRIX: self.log_rate.exp()} if self.config.fast_width else {}

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
            images=stacked_images(observation, self._specification).to(device),
            positions=checked_positions(observation, self._specification)[None].to(device),
            words=torch.tensor([words], device=device),
        )

    def encode_batch(self, *, images: Tensor, positions: Tensor, words: Tensor) -> dict[str, Tensor]:
        """Runs the trunk on a batch.

        Args:
            images: RGB, uint8, shape (batch, height, width, 3).
            positions: joint positions, float32, radians, shape (batch, joints).
            words: word indices, int64, shape (batch, max_instruction_words).

        Returns:
            ``points`` (batch, points, 3) as ``Sight`` finds them; ``look`` (batch, channels), of which ``act`` makes no use;
            ``proprioception`` and ``words`` as they came.
        """
        reading = self.sight.read(images)
        return {"points": reading.points, "look": reading.look, "proprioception": positions, "words": words}

    def summary(self, features: Features) -> Tensor:
        """What kind of image it is, where the points are in it and the normalised joint positions, (batch, channels + 2 * points + joints).

        The confidences are left out: nearly constant in training, they would drown the rest whenever a cube is hidden.
        """
        return torch.cat([features["look"], features["points"][..., :2].flatten(-2), self._normalised(features)], dim=-1)

    def act(self, features: Features, fast: FastWeights, memory: Memory = NO_MEMORY) -> Tensor:
        """Computes chunks of target positions, float32, radians, shape (batch, horizon, joints); differentiable."""
        return self.movements.chunks(self.act_code(features, fast, memory))

    def act_code(self, features: Features, fast: FastWeights, memory: Memory = NO_MEMORY) -> Tensor:
        """The chunks of ``act`` as codes of movements, shape (batch, code)."""
        states = self._states(self._goal(features), features, memory.get(_TOLD))
        return self._code(states, self._recalled(states, fast, memory), fast)

    def act_along(self, features: Features, transitions: Transitions, told: Tensor | None = None) -> Tensor:
        """Codes of the movements at every goal of recorded runs at once, each with those before it in memory: (batch, n, code).

        For policies without fast weights, or with the base ones: what ``remember`` and ``act_code`` give goal by goal.

        Args:
            features: before each goal, with runs and goals as first axes.
            transitions: likewise.
            told: (batch, n, privileged), to an oracle.
        """
        states = self._states(self._goal(features), features, told)
        if self.memory is None:
            return self._code(states, states, self.fast_parameters())
        records = torch.cat([self._hindsight(transitions), self.movements.codes(transitions.executed)], dim=-1)
        tokens = self._tokens(records, self.fast_parameters())
        return self._code(states, self.memory.along(states, tokens), self.fast_parameters())

    def begin(self) -> Memory:
        """An empty memory for a batch of 1."""
        return NO_MEMORY if self.memory is None else self.memory.begin()

    def told(self, memory: Memory, hidden: Tensor) -> Memory:
        """The memory of an oracle, to which ``hidden``, (batch, privileged), is told in place of what it was told before."""
        return {**memory, _TOLD: hidden}

    def remember(self, memory: Memory, transitions: Transitions) -> Memory:
        """Adds one transition to each memory of the batch."""
        if self.memory is None:
            return memory
        records = torch.cat([self._hindsight(transitions), self.movements.codes(transitions.executed)], dim=-1)
        if not isinstance(self.memory, WindowMemory):
            records = self._tokens(records, {})
        return {**memory, **self.memory.remember(memory, records)}

    def informative(self, transitions: Transitions) -> Tensor:
        """Whether the hand is seen afterwards, but was not before: where it was led, not whence."""
        before, after = (self._hand(each)[..., 2] for each in (transitions.features, transitions.next_features))
        return (after > _SEEN) & (before < _SEEN)

    def reconstruct(self, transitions: Transitions, fast: FastWeights) -> dict[str, Reconstruction]:
        """Predicts in hindsight which movement led to where the hand is seen after it; differentiable.

        Returns:
            ``action``: the effects of the executed movement, shape (batch, effects), in units of codes.
        """
        states, movements = self._hindsight(transitions), self.movements
        return {
            "action": Reconstruction(
                prediction=movements.effects(self._code(states, states, fast)),
                target=movements.effects(movements.codes(transitions.executed)),
                inputs={_FAST_MATRIX: self._fast_inputs(states)} if self.config.fast_width else {},
            )
        }

    def _hindsight(self, transitions: Transitions) -> Tensor:
        """The states in which what was reached had been asked for."""
        before, after = transitions.features, transitions.next_features
        goal, hand = self._goal(before), self._hand(after)
        seen = torch.cat([goal, hand, self._normalised(before), self._normalised(after)], dim=-1)
        reached = torch.cat([hand[..., :2] + self.reached(seen), goal[..., 2:]], dim=-1)
        return self._states(reached, before, None)

    def _goal(self, features: Features) -> Tensor:
        """The point that the instruction names, (..., 3)."""
        scores = self.goal(self._instruction(features))
        goal: Tensor = (scores.softmax(dim=-1)[..., None] * features["points"]).sum(dim=-2)
        return goal

    def _hand(self, features: Features) -> Tensor:
        return features["points"][..., self.config.hand, :]

    def _instruction(self, features: Features) -> Tensor:
        words = features["words"]
        spoken = (words != PADDING)[..., None]
        mean: Tensor = (self.words(words) * spoken).sum(dim=-2) / spoken.sum(dim=-2).clamp(min=1)
        return mean

    def _normalised(self, features: Features) -> Tensor:
        return (features["proprioception"] - self.position_mean) / self.position_scale

    def _states(self, goal: Tensor, features: Features, told: Tensor | None) -> Tensor:
        inputs = [goal, self._normalised(features), self._instruction(features)]
        if self.config.privileged:
            inputs.append(goal.new_zeros(*goal.shape[:-1], self.config.privileged) if told is None else told)
        states: Tensor = self.state(torch.cat(inputs, dim=-1))
        return states

    def _recalled(self, states: Tensor, fast: FastWeights, memory: Memory) -> Tensor:
        if self.memory is None:
            return states
        content = {**self.memory.begin(), **memory}
        if isinstance(self.memory, WindowMemory):
            records = content["records"].expand(len(states), -1, -1)
            return self.memory.recall(states, self._tokens(records, fast))
        return self.memory.recall(states, content)

    def _tokens(self, records: Tensor, fast: FastWeights) -> Tensor:
        """What is to be remembered: the state in hindsight and what the fast weights do not yet explain of the movement."""
        states, codes = records[..., : self.config.width], records[..., self.config.width :]
        tokens: Tensor = self.token(torch.cat([states, codes - self._code(states, states, fast)], dim=-1))
        return tokens

    def _code(self, states: Tensor, recalled: Tensor, fast: FastWeights) -> Tensor:
        """The movement's code; the fast MLP reads the plain state, as in the reconstruction, and adds effects to what the head says."""
        code: Tensor = self.head(recalled)
        if self.config.fast_width and fast:
            code = self.movements.with_effects(code, _applied(fast[_FAST_MATRIX], self._fast_inputs(states)))
        return code

    def _fast_inputs(self, states: Tensor) -> Tensor:
        return functional.gelu(self.up(self.norm(states)))


def _applied(matrix: Tensor, inputs: Tensor) -> Tensor:
    """The matrix, or one matrix for each of the inputs, applied to inputs (..., columns)."""
    if matrix.dim() > inputs.dim():
        return (matrix @ inputs[..., None])[..., 0]
    return inputs @ matrix.mT


def _memory(config: MemoryConfig) -> LstmMemory | AttentionMemory | WindowMemory | None:
    sizes = {"width": config.width, "hidden": config.hidden}
    if config.memory is MemoryKind.LSTM:
        return LstmMemory(**sizes)
    if config.memory is MemoryKind.ATTENTION:
        return AttentionMemory(**sizes, heads=config.heads, layers=config.layers)
    if config.memory is MemoryKind.WINDOW:
        records = config.width + config.code
        return WindowMemory(**sizes, heads=config.heads, layers=config.layers, records=records, limit=config.window)
    return None


def _check_sizes(config: MemoryConfig, specification: PolicySpecification) -> None:
    if len(specification.cameras) != 1:
        raise SpecificationError(f"the policy sees through one camera, but {len(specification.cameras)} are specified; specify one")
    camera, sight = specification.cameras[0], config.sight
    if (camera.height, camera.width) != (sight.height, sight.width):
        raise SpecificationError(
            f"the camera's images are {camera.height} x {camera.width} pixels, but the policy's sight takes {sight.height} x {sight.width}"
        )
    if config.hand >= config.sight.points:
        raise SpecificationError(f"point {config.hand} cannot be the hand: the sight has {config.sight.points} points, from 0")
    if config.width % config.heads:
        raise SpecificationError(f"a state width of {config.width} cannot be split into {config.heads} heads; use a multiple of it")
    if config.effects > config.code:
        raise SpecificationError(
            f"{config.effects} effects cannot be told from a code of {config.code} numbers; use no more effects than that"
        )
    if config.code > specification.horizon * len(specification.joint_names):
        raise SpecificationError(f"a code of {config.code} numbers is longer than the chunk itself; make it shorter")
    if config.fast_width and config.memory in (MemoryKind.LSTM, MemoryKind.ATTENTION):
        raise SpecificationError(f"fast weights go with a memory of kind 'none' or 'window', not '{config.memory.value}'")
    if specification.action_meaning is not ActionMeaning.ABSOLUTE:
        raise SpecificationError("this policy answers with absolute positions; set the action meaning to 'absolute'")
