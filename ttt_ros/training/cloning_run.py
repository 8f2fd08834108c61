"""The optimiser steps of behaviour cloning, over demonstrations of any origin, from the first or the last saved one to the checkpoint."""

import copy
import dataclasses
import json
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from ttt_ros.errors import CheckpointError
from ttt_ros.policies.checkpoint import save_policy
from ttt_ros.policies.vla import VisionLanguageActionPolicy
from ttt_ros.training.cloning import Cloner, Losses, calibrate
from ttt_ros.training.configuration import CloningConfig
from ttt_ros.training.demonstration_set import DemonstrationSet
from ttt_ros.training.familiarity import statistics_of
from ttt_ros.training.learning_rate import warm_cosine
from ttt_ros.training.progress import progress_bar
from ttt_ros.training.run_state import load_state, save_state

Validate: TypeAlias = Callable[[VisionLanguageActionPolicy], Iterable[Mapping[str, Any]]]
"""Measures a policy; each mapping becomes a line of the log."""

_CALIBRATION_PAIRS = 512
_LOG_EVERY = 100

_log = logging.getLogger(__name__)


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
        self._step = 0
        self._seconds = 0.0
        self._resume()

    def go_on(self) -> None:
        """Trains up to the configured number of steps."""
        config = self._config
        with progress_bar("cloning", total=config.steps, completed=self._step) as advance:
            while self._step < config.steps:
                started = time.monotonic()
                losses = self._train_step()
                self._seconds += time.monotonic() - started
                self._step += 1
                advance()
                if self._step % _LOG_EVERY == 0:
                    self._note(_as_numbers(losses) | {"seconds": round(self._seconds, 1)})
                if self._step % config.validation_every == 0:
                    self._validate()
                if self._step % config.checkpoint_every == 0:
                    self._save()

    def export(self) -> Path:
        """Writes the averaged policy as a checkpoint, with the statistics of its features."""
        path = self._output / "policy.safetensors"
        policy = self._averaged_policy()
        policy.statistics = statistics_of(policy, self._demonstrations)
        facts: dict[str, Any] = {
            "config": self._facts,
            "frames": len(self._demonstrations),
            "steps": self._step,
            "seconds": round(self._seconds, 1),
            "torch": torch.__version__,
        }
        save_policy(policy, path, training=facts)
        return path

    def _train_step(self) -> Losses:
        config = self._config
        # Drawn from the step's own generator, so that a run that goes on sees the batches that it would have seen.
        history = config.history if self._cloner.policy.config.memory else 0
        pairs = self._demonstrations.pairs(config.pairs, np.random.default_rng([self._seed, self._step]), history=history)
        for group in self._optimiser.param_groups:
            group["lr"] = config.learning_rate * warm_cosine(self._step, warmup=config.warmup_steps, steps=config.steps)
        # On a CPU the fused attention's backward pass takes twice as long as the plain one at these sizes.
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=config.bfloat16), sdpa_kernel(SDPBackend.MATH):
            losses = self._cloner.losses(pairs)
        self._optimiser.zero_grad()
        torch.autograd.backward(losses.total(config))
        torch.nn.utils.clip_grad_norm_(self._cloner.parameters(), config.gradient_norm, error_if_nonfinite=True)
        self._optimiser.step()
        self._update_average()
        return losses

    @torch.no_grad()
    def _update_average(self) -> None:
        # Early on a long memory would keep the random weights of the beginning.
        decay = min(self._config.average_decay, (1 + self._step) / (10 + self._step))
        policy = self._cloner.policy
        for averaged, weight in zip(self._average.parameters(), policy.parameters(), strict=True):
            averaged.lerp_(weight, 1 - decay)
        for kept, buffer in zip(self._average.buffers(), policy.buffers(), strict=True):
            kept.copy_(buffer)

    def _validate(self) -> None:
        for facts in self._measure(self._averaged_policy()):
            self._note(facts)
        self.export()

    def _averaged_policy(self) -> VisionLanguageActionPolicy:
        calibrate(self._average, self._demonstrations, pairs=_CALIBRATION_PAIRS, seed=self._seed)
        return self._average

    def _state_path(self) -> Path:
        return self._output / "state.safetensors"

    def _save(self) -> None:
        facts = {"step": self._step, "seconds": self._seconds, "config": self._facts}
        save_state(self._state_path(), modules=self._modules(), optimiser=self._optimiser, facts=facts)

    def _resume(self) -> None:
        if not self._state_path().exists():
            return
        facts = load_state(self._state_path(), modules=self._modules(), optimiser=self._optimiser)
        if facts["config"] != self._facts:
            raise CheckpointError(f"{self._output} holds a run of another configuration; use another directory or delete it")
        self._step, self._seconds = facts["step"], facts["seconds"]

    def _modules(self) -> dict[str, torch.nn.Module]:
        return {"cloner": self._cloner, "average": self._average}

    def _note(self, facts: Mapping[str, Any]) -> None:
        line = json.dumps({"step": self._step} | dict(facts))
        _log.info(line)
        with (self._output / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def as_facts(config: Any) -> dict[str, Any]:
    """A configuration dataclass as plain JSON values."""
    facts: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(config)))
    return facts


def _as_numbers(losses: Losses) -> dict[str, float]:
    return {field.name: round(getattr(losses, field.name).item(), 4) for field in dataclasses.fields(losses)}
