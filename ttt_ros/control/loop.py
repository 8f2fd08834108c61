"""The control loop of one robot: sensor readings in, one command a tick out, transitions to the adaptation on the side."""

import logging
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, replace

import numpy as np

from ttt_ros.adaptation.versions import Version, VersionStore
from ttt_ros.control.action_meaning import to_absolute
from ttt_ros.control.executed import ExecutedCommands
from ttt_ros.control.inference import Inference, Request, infer
from ttt_ros.control.latency import LatencyWindow
from ttt_ros.control.limits import JointLimits
from ttt_ros.control.observation import Fault, ObservationAssembler
from ttt_ros.control.orders import Order, Orders
from ttt_ros.control.schedule import Chunk, ChunkSchedule, Positions, Refusal
from ttt_ros.errors import ActionError
from ttt_ros.policies.observation import Observation
from ttt_ros.policies.protocol import Policy
from ttt_ros.policies.transition import Features, Transitions
from ttt_ros.safeguard.clock import NANOSECONDS
from ttt_ros.safeguard.ladder import Mode

_logger = logging.getLogger(__name__)

_LATENCIES = 300
"""Chunks over which latency percentiles are taken: a minute or two of motion."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Command:
    """What one control tick decided.

    Attributes:
        positions: joint targets for this tick, float64 (joints,), rad; None: command nothing, as always in shadow mode.
        mode: in which it was decided.
        reasons: why the mode is no better, in words.
    """

    positions: Positions | None
    mode: Mode
    reasons: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcome:
    """A transition that tells anything, on its way to the adaptation, with the observations that it lies between."""

    before: Observation
    after: Observation
    transition: Transitions
    permitted: bool


class ControlLoop:
    """Plays chunks at the control rate and asks for the next one while steps remain, or in open loop once there is a new instruction.

    No decision reads a clock: every instant is an argument, nanoseconds of one clock. One thread calls it; inference runs in
    ``executor``, which may be a thread or answer at once.
    """

    def __init__(
        self,
        *,
        policy: Policy,
        assembler: ObservationAssembler,
        schedule: ChunkSchedule,
        limits: JointLimits,
        store: VersionStore,
        executor: Executor,
        on_chunk: Callable[[Chunk], None],
        on_outcome: Callable[[Outcome], None],
        plausible: Callable[[Transitions, Version], bool],
        max_inference_time: float,
        shadow: bool = False,
    ) -> None:
        """Wires the parts together.

        Args:
            on_chunk: called in ``tick`` with every chunk that was scheduled.
            on_outcome: called in ``tick`` with every completed transition that is informative to the policy.
            plausible: called in ``tick`` with every such one and the version that acted on its last observation: whether the policy may
                remember it.
            max_inference_time: seconds after which an inference that has not answered is a fault.
        """
        specification = policy.specification
        self.orders = Orders()
        self.latencies = LatencyWindow(size=_LATENCIES, period=specification.period, deadline=specification.horizon * specification.period)
        self._specification = specification
        self._policy = policy
        self._assembler = assembler
        self._schedule = schedule
        self._limits = limits
        self._store = store
        self._executor = executor
        self._on_chunk = on_chunk
        self._on_outcome = on_outcome
        self._plausible = plausible
        self._max_inference_time = max_inference_time
        self._shadow = shadow
        self._executed = ExecutedCommands(horizon=specification.horizon)
        self._request: Request | None = None
        self._previous: tuple[Observation, Features] | None = None
        self._instruction = ""
        self._unanswered = False
        self._changed = 0  # when the instruction or a step was last new
        self._refusal = ""
        self._memory = policy.begin()
        self.begin()

    @property
    def waits_for_inference(self) -> bool:
        """Whether an inference is under way; another caller than a clock may wait for it between two ticks."""
        return self._request is not None and not self._request.answer.done()

    def forget_memory(self) -> None:
        """Ends the episode for the policy's memory of earlier transitions."""
        self._memory = self._policy.begin()

    def begin(self) -> None:
        """Begins a run: what was ordered, commanded or begun in one before does not count, as the robot may have been moved since."""
        self._ordered, self._silent, self._heard = Mode.BASE, True, False
        self._last: Positions | None = None
        self._told: Positions | None = None
        self._restart()

    def told(self, positions: Positions) -> None:
        """Takes the newest command of the controller that drives the robot in shadow mode, (joints,), rad.

        Raises:
            ActionError: it has another number of joints, or is not finite.
        """
        joints = len(self._specification.joint_names)
        if positions.shape != (joints,) or not np.isfinite(positions).all():
            raise ActionError(f"command {positions.tolist()} of the other controller must be {joints} finite positions; it is left out")
        self._told = positions

    def tick(self, now: int) -> Command:
        """Decides what to command at ``now``."""
        self._changed = min(self._changed, now)  # the clock may have been set back
        order = self.orders.in_force(now)
        self._withdraw_distrusted(order)
        self._doubt_position(now)
        if self._store.epoch != self._epoch:
            self._restart(finish=self._schedule.open_loop)
        observation = self._assembler.assemble(now)
        if isinstance(observation, Observation) and observation.instruction != self._instruction:
            self._follow(observation.instruction, now)
        fault = self._take_answer(order, now)
        if order.mode >= Mode.HOLD:
            return self._stand(order.mode, order.reasons)
        if isinstance(observation, Fault) or fault:
            reason = observation.reason if isinstance(observation, Fault) else fault
            return self._stand(Mode.HOLD, (reason, *order.reasons), pause=self._schedule.open_loop)
        self._ask(observation, order.mode, now)
        return self._play(order, now)

    def _doubt_position(self, now: int) -> None:
        """Forgets where the robot was told to be once it was not felt for a while; the next chunk begins where it is observed to stand."""
        if self._assembler.was_unfelt(now):
            self._last = self._told = None
            self._restart()

    def _withdraw_distrusted(self, order: Order) -> None:
        """Takes back, once, the versions that a lower mode does not trust: in frozen the newest ones, in base all.

        A silence takes nothing back: the base acts anyway while it lasts, and a late word of the safeguard is no word against what
        was learned under its permit. Nor does its first word, base until it knows more, take back the weights that a run begins with.
        Every step down voids the step that may be under way, whose permit is gone.
        """
        down, broken = order.mode > self._ordered, self._heard and self._silent and not order.silence
        if order.mode == Mode.FROZEN and order.mode != self._ordered:
            self._store.restore(order.trusted_version)
        elif order.mode == Mode.BASE and not order.silence and (down or broken):
            self._store.restore(0)
        elif down:
            self._store.void()
        self._ordered, self._silent, self._heard = order.mode, order.silence, self._heard or not order.silence

    def _follow(self, instruction: str, now: int) -> None:
        """From now on no answer to the old instruction is played; the motion goes on until one to this is there."""
        self._instruction = instruction
        self._unanswered = True
        self._changed = now

    def _restart(self, *, finish: bool = False) -> None:
        """Voids everything that was begun, but for a movement to ``finish``: the next chunk starts anew from where the robot stands."""
        self._epoch = self._store.epoch
        self._unanswered |= self._request is not None or (self._schedule.remaining > 0 and not finish)
        if self._request is not None:
            self._request = replace(self._request, void=True)
        self._previous = None
        self._executed.reset()
        self._schedule.reset(epoch=self._epoch, position=self._last, finish=finish)

    def _stand(self, mode: Mode, reasons: tuple[str, ...], *, pause: bool = False) -> Command:
        """Keeps the position, or in mode stop forgets it, since the robot may be moved by hand; after a ``pause`` the motion goes on."""
        if mode == Mode.STOP:
            self._last = None
        if not pause:
            self._restart()
        return Command(positions=self._last, mode=mode, reasons=reasons)

    def _take_answer(self, order: Order, now: int) -> str:
        """Schedules the chunk of an inference that has answered; returns what is wrong with it, or nothing."""
        request = self._request
        if request is None:
            return ""
        if not request.answer.done():
            waited = (now - request.asked) / NANOSECONDS
            if waited > self._max_inference_time:
                return f"inference has not answered for {waited:.2f} s (limit {self._max_inference_time:g} s); is the device overloaded?"
            return ""
        self._request = None
        error = request.answer.exception()
        if error is not None or request.void:
            # The record of commands was cut at this request's observation, so none may span from before it.
            self._previous = None
            self._withdraw_request()
            return "" if error is None else f"inference failed with {type(error).__name__}: {error}"
        inference = request.answer.result()
        if request.observation.instruction == self._instruction:
            self._schedule_chunk(request, inference, now)
        else:  # what was seen and done counts all the same
            self._withdraw_request()
        self._complete_transition(request, inference, order)
        return ""

    def _schedule_chunk(self, request: Request, inference: Inference, now: int) -> None:
        observed = request.observation.joint_positions.double().numpy()
        self.latencies.add((now - request.observation.stamp) / NANOSECONDS)
        try:
            chunk = Chunk(
                sequence=request.sequence,
                epoch=self._epoch,
                stamp=request.observation.stamp,
                positions=to_absolute(inference.actions[0].numpy(), observed=observed, meaning=self._specification.action_meaning),
                period=self._specification.period,
                version=request.version.number,
                checksum=request.version.checksum,
                inference_time=inference.duration,
                base_deviation=inference.base_deviation,
                feature_deviation=inference.feature_deviation,
            )
            seam = self._schedule.accept(chunk, now, check=lambda positions: self._check(positions, chunk, observed))
        except ActionError as error:
            self._withdraw_request()
            # In shadow mode the robot does not wait: asked again in open loop, the policy would see it in mid motion.
            self._unanswered = not self._shadow
            self._refusal = str(error)
            return
        self._refusal = seam.reason if isinstance(seam, Refusal) else ""
        if not isinstance(seam, Refusal):
            self._on_chunk(chunk)

    def _check(self, positions: Positions, chunk: Chunk, observed: Positions) -> None:
        """Refuses what would be commanded; in shadow mode the chunk itself, with its seam to where the robot stood."""
        current = observed if self._last is None else self._last
        if self._shadow:
            positions = chunk.positions
            current = positions[0] + self._schedule.seam_step * (observed - positions[0])
        self._limits.check_chunk(positions, current=current, period=chunk.period)

    def _withdraw_request(self) -> None:
        self._schedule.withdraw_request()
        self._unanswered = True

    def _complete_transition(self, request: Request, inference: Inference, order: Order) -> None:
        if self._previous is not None and request.executed is not None:
            before, features = self._previous
            transition = request.executed.transition(
                before,
                request.observation,
                features=features,
                next_features=inference.features,
                meaning=self._specification.action_meaning,
            )
            if self._remembers(transition, request.version):
                permitted = order.permit and order.mode == Mode.ADAPTING
                self._on_outcome(Outcome(before=before, after=request.observation, transition=transition, permitted=permitted))
        self._previous = (request.observation, inference.features)

    def _remembers(self, transition: Transitions, version: Version) -> bool:
        """Whether the transition tells the policy anything; what is plausible as well enters its memory."""
        try:
            informative = bool(self._policy.informative(transition))
            if informative and self._plausible(transition, version):
                self._memory = self._policy.remember(self._memory, transition)
        except Exception:  # a policy may raise anything; what it cannot remember is no reason to stop moving
            _logger.exception("a transition could not be remembered; it is left out")
            return False
        return informative

    def _ask(self, observation: Observation, mode: Mode, now: int) -> None:
        if self._request is not None or not self._is_due(observation):
            return
        if self._last is None and not self._schedule.remaining:  # the first chunk is blended from where the robot stands
            self._schedule.reset(epoch=self._epoch, position=observation.joint_positions.double().numpy())
        version = self._store.base if mode == Mode.BASE else self._store.current
        self._unanswered = False
        self._request = Request(
            sequence=self._schedule.request(),
            observation=observation,
            version=version,
            executed=self._executed.observed(standing=self._in_force if self._schedule.open_loop else None),
            asked=now,
            answer=self._executor.submit(infer, self._policy, observation, version, self._memory, base=self._store.base),
        )

    def _is_due(self, observation: Observation) -> bool:
        """Whether to ask for a chunk: in open loop, for a new instruction alone, from an observation at rest that is younger than it."""
        if self._schedule.open_loop:
            return self._unanswered and not self._schedule.remaining and observation.stamp > self._changed
        return self._schedule.needs_next or self._unanswered

    @property
    def _in_force(self) -> Positions | None:
        """The newest command that the robot got, from whichever controller drives it."""
        return self._told if self._shadow else self._last

    def _play(self, order: Order, now: int) -> Command:
        step = self._schedule.next()
        if step is not None:
            self._changed = now
            if not self._shadow:
                self._last = step.position
        if self._in_force is not None:
            self._executed.commanded(self._in_force)
        if step is None and self._refusal:
            return Command(positions=self._last, mode=Mode.HOLD, reasons=(self._refusal, *order.reasons))
        return Command(positions=self._last, mode=order.mode, reasons=order.reasons)
