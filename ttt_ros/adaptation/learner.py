"""The method on one page: one window in, at most one gradient step, one report out."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ttt_ros.adaptation import checks, steps
from ttt_ros.adaptation.configuration import AdaptationConfig, check_live_change
from ttt_ros.adaptation.gate import LossGate
from ttt_ros.adaptation.innovation_gate import InnovationGate
from ttt_ros.adaptation.objective import Score, scored
from ttt_ros.adaptation.probes import Probes
from ttt_ros.adaptation.report import WindowReport
from ttt_ros.adaptation.versions import Version, VersionStore
from ttt_ros.adaptation.window import Window, selected
from ttt_ros.errors import AdaptationError
from ttt_ros.policies.checksum import tensor_checksum
from ttt_ros.policies.protocol import Policy
from ttt_ros.policies.transition import FastWeights, Features, Transitions


@dataclass
class _Figures:
    """What ``Learner.adapt`` found out about a window so far."""

    configuration: int
    begun_from: Version | None = None
    trimmed: int | None = None
    implausible: int | None = None
    prediction_loss: float | None = None
    loss_after: float | None = None
    gradient_norm: float | None = None
    update_norm: float = 0.0
    action_deviation: float | None = None
    withheld: bool = False


class Learner:
    """Adapts the fast weights of a version store, window by window.

    What comes next depends on the windows and on which of them may be committed alone: no random number and no order of threads
    enters, so the same windows lead to the same checksums. The state is the store, the gates' histories and the probes. One thread calls
    ``adapt``; any other may reset the store or replace ``config`` meanwhile. After a reset the gates start anew (see
    LossGate); the probes stay, because they describe the base policy.
    """

    def __init__(
        self,
        policy: Policy,
        config: AdaptationConfig,
        store: VersionStore,
        *,
        probes: Features | None = None,
        permit: Callable[[], bool] = lambda: True,
    ) -> None:
        """Sets up adaptation of ``policy``; the probes are taken from the stream unless given.

        Args:
            permit: asked just before a commit: whether what a window was permitted when it was handed over is so still.

        Raises:
            AdaptationError: the fast weights are not adaptable; the message says which and why.
        """
        base = store.base
        _check_masters(base.weights)
        self._policy = policy
        self._config = (0, config)
        self._store = store
        self._modules = steps.parameters_by_module(base.weights, base.drift_per_module)
        self._base_norms = steps.base_norms(base.weights, self._modules)
        self._innovation_gate = InnovationGate(history=config.innovation_history)
        self._gate = LossGate(history=config.gate_history)
        with torch.no_grad():
            self._probes = Probes(policy, base.weights, size=config.probes, given=probes)
        self._rates = {name: rate.detach() for name, rate in policy.rates().items()}
        self._permit = permit
        self._windows = 0

    @property
    def store(self) -> VersionStore:
        """The versions that this learner starts from and commits to."""
        return self._store

    @property
    def config(self) -> AdaptationConfig:
        """In force from the next window on; a fixed field cannot change (ConfigurationError)."""
        return self._config[1]

    @config.setter
    def config(self, config: AdaptationConfig) -> None:
        number, before = self._config
        check_live_change(before, config)
        self._config = (number + 1, config)

    @torch.no_grad()
    def adapt(self, window: Window, *, epoch: int, permitted: bool = True) -> WindowReport:
        """Takes one gradient step on ``window``, begun in ``epoch``, and commits it, or says in words why not.

        Without being ``permitted`` to commit it does all the rest, so that the figures keep telling how the stream is.

        Raises:
            AdaptationError: called in inference mode, or the policy lacks a configured objective.
        """
        if torch.is_inference_mode_enabled():
            raise AdaptationError("a gradient step is impossible in inference mode; call it under torch.no_grad instead")
        started = time.perf_counter()
        number, config = self._config
        figures = _Figures(configuration=number)
        try:
            version = self._update(window, epoch, permitted, config, figures)
        except checks.WindowRefusedError as refusal:
            return self._report(window, epoch, figures, reason=str(refusal), duration=time.perf_counter() - started)
        return self._report(window, epoch, figures, committed=version, duration=time.perf_counter() - started)

    def refuse(self, window: Window, *, epoch: int, reason: str) -> WindowReport:
        """Reports a window that was not adapted to, for a ``reason`` outside the method."""
        return self._report(window, epoch, _Figures(configuration=self._config[0]), reason=reason, duration=0.0)

    def _update(self, window: Window, epoch: int, permitted: bool, config: AdaptationConfig, figures: _Figures) -> Version:
        """The method: score, gate samples and window, gradient, clip, step, pull back, project, probe, commit."""
        # Read before the check: then it is of the epoch that the check finds.
        base, current = self._store.base, self._store.current
        checks.epoch_lasts(epoch, now=self._store.epoch)
        figures.begun_from = current
        self._innovation_gate.begin(epoch)
        self._gate.begin(epoch)

        with torch.enable_grad():
            shadow = steps.shadow(current.weights)
            score = self._score(window.transitions, shadow, config)
            fresh = _newest(score.errors.isfinite(), count=window.fresh)
            figures.prediction_loss = _mean(score.errors[fresh])

            keep, precision = self._gated(window, score, current, config, figures)
            if not keep.all():
                # A mask on the errors would not do: a matrix product's backward turns a NaN sample of weight 0 into NaN.
                score = self._score(selected(window.transitions, keep), shadow, config)
            loss = score.errors.mean()

        self._gate.check(float(loss), config)

        gradient = steps.gradients(loss, shadow)
        norm = steps.norm(gradient.values())
        figures.gradient_norm = float(norm)
        checks.gradient_finite_and_below(figures.gradient_norm, limit=config.gradient_limit)
        gradient = steps.clipped(gradient, norm=norm, limit=config.clip_norm)

        taken = keep[keep]
        precision = steps.informed(precision, score.inputs, taken)
        gradient = steps.preconditioned(gradient, precision, taken)

        direction = steps.accumulated(current.momentum, gradient, factor=config.momentum)
        weights: FastWeights = steps.stepped(current.weights, direction, learning_rate=config.learning_rate, rates=self._rates)
        weights = steps.reminded(weights, base.weights, precision, share=config.pull_back, ridge=config.ridge)
        weights, drifts = self._bounded(weights, limit=config.drift_limit)

        self._probes.offer(_last(window.transitions.features, keep))
        figures.action_deviation = self._probes.deviation(weights)
        checks.actions_near_base(figures.action_deviation, limit=config.probe_limit)

        permitted = permitted and self._permit()
        figures.withheld = not permitted
        checks.commit_permitted(permitted)

        figures.loss_after = _mean(self._score(selected(window.transitions, fresh), weights, config).errors)
        figures.update_norm = float(steps.distance(weights, current.weights, weights))
        version = Version(
            number=self._store.next_number,
            weights=weights,
            momentum=direction if config.momentum else {},
            precision=precision,
            checksum=tensor_checksum(weights),
            drift_total=steps.total_drift(drifts, self._base_norms),
            drift_per_module=drifts,
        )
        if not self._store.commit(version, epoch):
            raise checks.WindowRefusedError(f"a reset or rollback ended epoch {epoch} during the step")
        self._gate.accept(float(loss))
        return version

    def _gated(
        self, window: Window, score: Score, current: Version, config: AdaptationConfig, figures: _Figures
    ) -> tuple[Tensor, FastWeights]:
        """Which samples are learned from, bool (batch,), and how sure the weights are before."""
        followed = steps.followed(window.transitions, limit=config.following_limit)
        figures.implausible = len(followed) - int(followed.sum())
        checks.something_new_followed(followed, window.transitions.following_error, fresh=window.fresh, limit=config.following_limit)

        keep = steps.kept(score.errors.detach().where(followed, torch.nan), factor=config.trim_factor)
        left = int(keep.sum())
        figures.trimmed = len(keep) - figures.implausible - left
        checks.enough_samples(left, of=len(keep), minimum=config.minimum_samples)

        precision = steps.faded(current.precision, score.inputs, ridge=config.ridge, share=config.pull_back)
        innovations = steps.innovations(score.residuals.detach(), precision, score.inputs)
        judged = self._innovation_gate.judge(innovations, config)
        self._innovation_gate.saw(innovations[-window.fresh :][followed[-window.fresh :]])
        keep &= judged.plausible
        plausible = int(keep.sum())
        figures.implausible += left - plausible
        checks.something_new_plausible(judged, fresh=window.fresh)
        checks.enough_plausible(plausible, minimum=config.minimum_samples, judged=judged)
        return keep, precision

    def _score(self, transitions: Transitions, weights: FastWeights, config: AdaptationConfig) -> Score:
        return scored(self._policy, transitions, weights, objectives=config.objectives)

    def _bounded(self, weights: FastWeights, *, limit: float) -> tuple[FastWeights, dict[str, float]]:
        """The weights moved into each module's ball around the base where they are outside, with the drift that results."""
        base = self._store.base.weights
        drifts = steps.drifts(weights, base, self._base_norms, self._modules)
        figures = {module: float(drift) for module, drift in drifts.items()}
        checks.weights_finite(figures)
        if max(figures.values()) <= limit:
            return weights, figures
        weights = steps.projected(weights, base, drifts, self._modules, limit=limit)
        # The drift after the projection follows from the drift before; measuring it again would cost as much as the step.
        return weights, {module: min(drift, limit) for module, drift in figures.items()}

    def _report(
        self, window: Window, epoch: int, figures: _Figures, *, duration: float, committed: Version | None = None, reason: str = ""
    ) -> WindowReport:
        self._windows += 1
        version = committed or self._store.current
        return WindowReport(
            window_sequence=self._windows,
            epoch=epoch,
            configuration=figures.configuration,
            stamps=window.stamps,
            samples=len(window.transitions),
            version_before=figures.begun_from.number if figures.begun_from else None,
            checksum_before=figures.begun_from.checksum if figures.begun_from else "",
            trimmed=figures.trimmed,
            implausible=figures.implausible,
            prediction_loss=figures.prediction_loss,
            loss_after=figures.loss_after if committed else figures.prediction_loss,
            gradient_norm=figures.gradient_norm,
            update_norm=figures.update_norm if committed else 0.0,
            action_deviation=figures.action_deviation,
            committed=committed is not None,
            withheld=figures.withheld,
            reason=reason,
            version=version.number,
            checksum=version.checksum,
            drift_total=version.drift_total,
            drift_per_module=version.drift_per_module,
            duration=duration,
        )


def _check_masters(weights: FastWeights) -> None:
    for name, weight in weights.items():
        if weight.dtype != torch.float32 or weight.is_inference():
            kind = "an inference tensor" if weight.is_inference() else weight.dtype
            raise AdaptationError(f"fast parameter '{name}' is {kind}; small steps need float32 copies made outside inference mode")


def _newest(mask: Tensor, *, count: int) -> Tensor:
    """``mask``, bool of shape (batch,), with all but its last ``count`` places cleared."""
    return mask & (torch.arange(len(mask), device=mask.device) >= len(mask) - count)


def _mean(errors: Tensor) -> float | None:
    return float(errors.detach().mean()) if len(errors) else None


def _last(features: Features, mask: Tensor) -> Features:
    """The features of the last sample where ``mask`` is true, batch of 1."""
    index = int(mask.nonzero()[-1])
    return {name: feature[index : index + 1] for name, feature in features.items()}
