"""The optimiser steps of behaviour cloning, over demonstrations of any origin, from the first or the last saved one to the checkpoint."""

import copy
import dataclasses
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from ttt_ros.policies.checkpoint import save_policy
from ttt_ros.policies.vla import VisionLanguageActionPolicy
from ttt_ros.training.cloning import Cloner, Losses, calibrate
from ttt_ros.training.configuration import CloningConfig
from ttt_ros.training.demonstration_set import DemonstrationSet
from ttt_ros.training.familiarity import statistics_of
from ttt_ros.training.learning_rate import warm_cosine
from ttt_ros.training.progress import progress_bar
from ttt_ros.training.run_log import RunLog
from ttt_ros.training.run_state import RunState
from ttt_ros.training.weight_average import update_average

Validate: TypeAlias = Callable[[VisionLanguageActionPolicy], Iterable[Mapping[str, Any]]]
"""Measures a policy; each mapping becomes a line of the log."""

_CALIBRATION_PAIRS = 512
_LOG_EVERY = 100


class CloningRun:
    """One run in one folder."""

    def __init__(
        self,
        policy: VisionLanguageActionPolicy,
        demonstrations: DemonstrationSet,
        output: Path,
        *,
        config: CloningConfig,
        seed: int,
        facts: Mapping[str, Any],
        validate: Validate,
    ) -> None:
        """Begins, or goes on where ``output`` says that the run was broken off.

        Args:
            policy: with its first, random weights.
            demonstrations: what it learns from.
            output: receives ``policy.safetensors``, the state of the run and ``log.jsonl``.
            config: how it learns.
            seed: of the batches.
            facts: the configuration of the whole run, plain JSON values: a run of other facts is not gone on with.
            validate: is called every ``validation_every`` steps.

        Raises:
            CheckpointError: ``output`` holds another run.
        """
        self._config = config
        self._seed = seed
        self._facts = dict(facts)
        self._demonstrations = demonstrations
        self._output = output
        self._measure = validate
        self._cloner = Cloner(policy, landmarks=demonstrations.column("landmarks").shape[1])
        self._cloner.fit_scales(demonstrations)
        self._average = copy.deepcopy(policy)
        self._optimiser = torch.optim.AdamW(self._cloner.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
        self._log = RunLog(output)
        self._state = RunState(
            output / "state.safetensors",
            modules={"cloner": self._cloner, "average": self._average},
            optimiser=self._optimiser,
            config=self._facts,
        )

    def go_on(self) -> None:
        """Trains up to the configured number of steps."""
        config, state = self._config, self._state
        with progress_bar("cloning", total=config.steps, completed=state.step) as advance:
            while state.step < config.steps:
                with state.counted():
                    losses = self._train_step()
                advance()
                if state.step % _LOG_EVERY == 0:
                    self._log.note(state.step, _as_numbers(losses) | {"seconds": round(state.seconds, 1)})
                if state.step % config.validation_every == 0:
                    self._validate()
                if state.step % config.checkpoint_every == 0:
                    state.save()

    def export(self) -> Path:
        """Writes the averaged policy as a checkpoint, with the statistics of its features."""
        path = self._output / "policy.safetensors"
        policy = self._averaged_policy()
        policy.statistics = statistics_of(policy, self._demonstrations)
        facts: dict[str, Any] = {
            "config": self._facts,
            "frames": len(self._demonstrations),
            "steps": self._state.step,
            "seconds": round(self._state.seconds, 1),
            "torch": torch.__version__,
        }
        save_policy(policy, path, training=facts)
        return path

    def _train_step(self) -> Losses:
        config, step = self._config, self._state.step
        # Drawn from the step's own generator, so that a run that goes on sees the batches that it would have seen.
        history = config.history if self._cloner.policy.config.memory else 0
        pairs = self._demonstrations.pairs(config.pairs, np.random.default_rng([self._seed, step]), history=history)
        for group in self._optimiser.param_groups:
            group["lr"] = config.learning_rate * warm_cosine(step, warmup=config.warmup_steps, steps=config.steps)
        # On a CPU the fused attention's backward pass takes twice as long as the plain one at these sizes.
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=config.bfloat16), sdpa_kernel(SDPBackend.MATH):
            losses = self._cloner.losses(pairs)
        self._optimiser.zero_grad()
        torch.autograd.backward(losses.total(config))
        torch.nn.utils.clip_grad_norm_(self._cloner.parameters(), config.gradient_norm, error_if_nonfinite=True)
        self._optimiser.step()
        update_average(self._average, self._cloner.policy, step=step, decay=config.average_decay)
        return losses

    def _validate(self) -> None:
        for facts in self._measure(self._averaged_policy()):
            self._log.note(self._state.step, facts)
        self.export()

    def _averaged_policy(self) -> VisionLanguageActionPolicy:
        calibrate(self._average, self._demonstrations, pairs=_CALIBRATION_PAIRS, seed=self._seed)
        return self._average


def _as_numbers(losses: Losses) -> dict[str, float]:
    return {field.name: round(getattr(losses, field.name).item(), 4) for field in dataclasses.fields(losses)}
