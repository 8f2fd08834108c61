"""A policy, its control loop and its adaptation, put together for one robot."""

import logging
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path

import torch

import ttt_ros
from ttt_ros.adaptation import snapshot
from ttt_ros.adaptation.configuration import AdaptationConfig
from ttt_ros.adaptation.journal import Journal
from ttt_ros.adaptation.learner import Learner
from ttt_ros.adaptation.origin import Origin, Passage
from ttt_ros.adaptation.plausibility import Plausibility
from ttt_ros.adaptation.report import WindowReport
from ttt_ros.adaptation.thread import Adaptation, AdaptationThread, SynchronousAdaptation
from ttt_ros.adaptation.versions import Version, VersionStore
from ttt_ros.adaptation.window import TransitionWindow
from ttt_ros.control.inference_thread import InferenceThread
from ttt_ros.control.inline_executor import InlineExecutor
from ttt_ros.control.limits import JointLimitsConfig
from ttt_ros.control.loop import ControlLoop, Outcome
from ttt_ros.control.observation import ObservationAssembler
from ttt_ros.control.schedule import Chunk, ChunkSchedule
from ttt_ros.errors import JournalError
from ttt_ros.policies.protocol import Policy
from ttt_ros.policies.transition import Transitions

_logger = logging.getLogger(__name__)

STOP_TIMEOUT = 0.5  # s that the adaptation thread gets to finish a window; a node must end within one second


@dataclass(frozen=True, kw_only=True)
class SessionConfig:
    """What a session is built from, besides the policy.

    Attributes:
        limits: of the robot's joints.
        adaptation: how the fast weights adapt.
        tolerance: seconds by which sensor streams may differ from each other.
        max_camera_age: seconds; an older frame leads to hold.
        max_joint_age: seconds; an older joint state leads to hold, and after five times as long nothing is commanded until a new one comes.
        request_at: the next chunk is asked for once no more control steps than this remain.
        blend_steps: control steps that a seam is spread over.
        open_loop: each instruction is answered by one chunk, observed for at rest and played whole; then the position is held until the
            next instruction. For policies that decide a whole movement at once, and may not know poses on the way: only an order to hold or
            stop breaks a chunk off.
        shadow: another controller drives the robot: chunks are computed and announced but not commanded, and what was executed is
            what the loop is ``told``.
        max_inference_time: seconds after which an inference that has not answered leads to hold.
        seed: written to the journal; nothing in a session draws random numbers.
    """

    limits: JointLimitsConfig
    adaptation: AdaptationConfig
    tolerance: float = 0.05
    max_camera_age: float = 0.2
    max_joint_age: float = 0.1
    request_at: int = 8
    blend_steps: int = 4
    open_loop: bool = False
    shadow: bool = False
    max_inference_time: float = 0.5
    seed: int = 0


class Session:
    """One policy at work: ``loop`` and ``assembler`` are fed by the caller, the rest runs by itself."""

    def __init__(
        self,
        policy: Policy,
        config: SessionConfig,
        *,
        on_chunk: Callable[[Chunk], None],
        on_report: Callable[[WindowReport], None],
        learns_from: Callable[[Outcome], Outcome | None] = lambda outcome: outcome,
        journal: Path | None = None,
        initial_weights: Path | None = None,
        clock: Callable[[], int] | None = None,
        threaded: bool = True,
    ) -> None:
        """Builds everything and starts the threads.

        Args:
            on_chunk: called in ``loop.tick`` with every scheduled chunk.
            on_report: called after every window, in the adaptation thread if there is one.
            learns_from: what the adaptation gets of each transition: the same, another for a control arm, or None.
            journal: file to record the adaptation in; must not exist.
            initial_weights: snapshot of fast weights to begin with instead of the base.
            clock: tells the nanoseconds of now, in the adaptation thread: a permit that has expired by then commits nothing, even where no
                tick has noticed yet. None: ticks alone tell.
            threaded: whether inference and adaptation run beside ``loop.tick``, or within it for runs that can be repeated.

        Raises:
            AdaptationError, CheckpointError, ConfigurationError, JournalError, SpecificationError: something does not fit.
        """
        specification = policy.specification
        limits = config.limits.select(specification.joint_names)
        self.policy = policy
        self.enabled = True
        self._learns_from = learns_from
        self.store = VersionStore(policy.base_fast_weights(), modules=policy.fast_modules(), size=config.adaptation.versions)
        self._initial_version = _initial_version(initial_weights, policy, config, self.store)
        self._commit_initial_version()
        self._clock = clock
        self.learner = Learner(policy, config.adaptation, self.store, permit=self._permit_lasts)
        self._window = TransitionWindow(size=config.adaptation.window, minimum=config.adaptation.minimum_samples)
        self._window_epoch = self.store.epoch
        self._plausibility = Plausibility(policy, history=config.adaptation.innovation_history)
        self.assembler = ObservationAssembler(
            specification, tolerance=config.tolerance, max_camera_age=config.max_camera_age, max_joint_age=config.max_joint_age
        )
        self.schedule = ChunkSchedule(
            horizon=specification.horizon, request_at=config.request_at, blend_steps=config.blend_steps, open_loop=config.open_loop
        )
        self._executor: Executor = InferenceThread() if threaded else InlineExecutor()
        self.loop = ControlLoop(
            policy=policy,
            assembler=self.assembler,
            schedule=self.schedule,
            limits=limits,
            store=self.store,
            executor=self._executor,
            on_chunk=on_chunk,
            on_outcome=self._learn_from,
            plausible=self._plausible,
            max_inference_time=config.max_inference_time,
            shadow=config.shadow,
        )
        # Last, so that nothing is left open or running where something does not fit.
        self._journal = _opened(journal, policy, config, version=self.store.current, threaded=threaded)
        self.adaptation: Adaptation
        if threaded:
            self.adaptation = AdaptationThread(self.learner, on_report, journal=self._journal)
            self.adaptation.start()
        else:
            self.adaptation = SynchronousAdaptation(self.learner, on_report, journal=self._journal)

    def begin(self) -> None:
        """Begins a run, as nobody knows what became of the robot since the one before."""
        self.reset()
        self.loop.begin()

    def reset(self) -> Version:
        """Ends the episode: back to the base, or to the initial weights where they were given."""
        self.store.reset()
        self.loop.forget_memory()
        self._commit_initial_version()
        version = self.store.current
        self._record(lambda journal: journal.reset(version, epoch=self.store.epoch))
        return version

    def rollback(self) -> Version:
        """Takes the newest version back; the one before it acts from the next chunk on."""
        version = self.store.rollback()
        self._record(lambda journal: journal.rollback(version, epoch=self.store.epoch))
        return version

    def adopt(self, version: Version) -> Version:
        """Puts weights of an earlier run in force under a new number; a rollback leads back to those of now."""
        adopted = self.store.adopt(version)
        self._record(lambda journal: journal.rollback(adopted, epoch=self.store.epoch))
        return adopted

    def save(self, path: Path) -> Version:
        """Writes the fast weights in force to ``path``.

        Raises:
            CheckpointError: the file cannot be written.
        """
        version = self.store.current
        snapshot.save(version, path, base_checksum=self.policy.checksum)
        return version

    def reconfigure(self, config: AdaptationConfig) -> None:
        """Puts ``config`` in force from the next window on.

        Raises:
            ConfigurationError: it changes what is fixed while adaptation runs.
        """
        self.learner.config = config
        self._record(lambda journal: journal.configuration(config))

    def close(self) -> bool:
        """Ends the threads and the journal; says whether the adaptation has ended in time."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        ended = self.adaptation.stop(timeout=STOP_TIMEOUT)
        if self._journal is not None:
            self._journal.close()
        return ended

    def _plausible(self, transition: Transitions, version: Version) -> bool:
        """Whether the policy may remember the transition: any, while nothing is adapted; none that cannot be judged."""
        if not self.enabled:
            return True
        try:
            return self._plausibility.judge(transition, version, epoch=self.store.epoch, config=self.learner.config)
        except Exception:  # a policy may raise anything; what it cannot reconstruct is no reason to stop moving
            _logger.exception("a transition could not be judged and is not remembered")
            return False

    def _learn_from(self, outcome: Outcome) -> None:
        if not self.enabled:
            return
        learnt = self._learns_from(outcome)
        if learnt is None:
            return
        if self._window_epoch != self.store.epoch:
            self._window.reset()
            self._window_epoch = self.store.epoch
        passage = Passage(Origin.of(learnt.before), Origin.of(learnt.after)) if self._journal is not None else None
        window = self._window.push(learnt.transition, stamp=learnt.before.stamp, passage=passage)
        if window is not None:
            self.adaptation.submit(window, epoch=self._window_epoch, permitted=learnt.permitted)

    def _permit_lasts(self) -> bool:
        return self._clock is None or self.loop.orders.in_force(self._clock()).permit

    def _commit_initial_version(self) -> None:
        if self._initial_version is not None:
            self.store.commit(replace(self._initial_version, number=self.store.next_number), self.store.epoch)

    def _record(self, write: Callable[[Journal], None]) -> None:
        """Writes to the journal, if there is one. A failed journal refuses all further commits itself, so nothing is raised here."""
        if self._journal is None:
            return
        try:
            write(self._journal)
        except JournalError:
            return


def _initial_version(path: Path | None, policy: Policy, config: SessionConfig, store: VersionStore) -> Version | None:
    if path is None:
        return None
    return snapshot.load(path, base=store.base, base_checksum=policy.checksum, drift_limit=config.adaptation.drift_limit)


def _opened(path: Path | None, policy: Policy, config: SessionConfig, *, version: Version, threaded: bool) -> Journal | None:
    if path is None:
        return None
    return Journal(
        path,
        configuration=config.adaptation,
        base_checksum=policy.checksum,
        version=version,
        inference_threads=1 if threaded else torch.get_num_threads(),
        seed=config.seed,
        package_version=ttt_ros.__version__,
    )
