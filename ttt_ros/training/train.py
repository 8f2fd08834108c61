"""A whole training run: demonstrations, behaviour cloning, closed-loop validation, checkpoint."""

import copy
import dataclasses
import json
import logging
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from ttt_ros.errors import CheckpointError
from ttt_ros.policies.checkpoint import save_policy
from ttt_ros.policies.vla import VisionLanguageActionPolicy
from ttt_ros.simulation.engine import Simulation
from ttt_ros.simulation.tasks import Skill
from ttt_ros.training.cloning import Cloner, Losses, calibrate
from ttt_ros.training.configuration import TrainingConfig
from ttt_ros.training.demonstration_set import DemonstrationSet
from ttt_ros.training.demonstrations import record_demonstrations
from ttt_ros.training.desk_arm import SPECIFICATION, VOCABULARY
from ttt_ros.training.progress import progress_bar
from ttt_ros.training.rollouts import roll_out_skill
from ttt_ros.training.run_state import load_state, save_state

_LANDMARKS = 4
_CALIBRATION_PAIRS = 512
_LOG_EVERY = 100

_log = logging.getLogger(__name__)


def train(config: TrainingConfig, output: Path) -> Path:
    """Trains a policy and returns the path of its checkpoint, ``output / "policy.safetensors"``.

    ``output`` also receives the demonstrations, the state of the run and ``log.jsonl``. A run that was broken off goes on from its last
    saved state, and ends at the same weights bit for bit (on a CPU, with the same number of threads).

    Raises:
        CheckpointError, RecordingError: ``output`` holds another run.
    """
    torch.set_num_threads(config.cloning.threads)
    shards = record_demonstrations(config.demonstrations, output / "demonstrations")
    demonstrations = DemonstrationSet(shards, vocabulary=VOCABULARY, instruction_length=SPECIFICATION.max_instruction_words)
    run = _Run(config, demonstrations, output)
    run.go_on()
    return run.export()


class _Run:
    def __init__(self, config: TrainingConfig, demonstrations: DemonstrationSet, output: Path) -> None:
        torch.manual_seed(config.seed)
        self._config = config
        self._demonstrations = demonstrations
        self._output = output
        policy = VisionLanguageActionPolicy(config=config.policy, specification=SPECIFICATION, vocabulary=VOCABULARY)
        self._cloner = Cloner(policy, landmarks=_LANDMARKS)
        self._cloner.fit_scales(demonstrations)
        cloning = config.cloning
        self._average = copy.deepcopy(policy)
        self._optimiser = torch.optim.AdamW(self._cloner.parameters(), lr=cloning.learning_rate, weight_decay=cloning.weight_decay)
        self._step = 0
        self._seconds = 0.0
        self._resume()

    def go_on(self) -> None:
        """Trains up to the configured number of steps."""
        cloning = self._config.cloning
        with progress_bar("cloning", total=cloning.steps, completed=self._step) as advance:
            while self._step < cloning.steps:
                started = time.monotonic()
                losses = self._train_step()
                self._seconds += time.monotonic() - started
                self._step += 1
                advance()
                if self._step % _LOG_EVERY == 0:
                    self._note(_as_numbers(losses) | {"seconds": round(self._seconds, 1)})
                if self._step % cloning.validation_every == 0:
                    self._validate()
                if self._step % cloning.checkpoint_every == 0:
                    self._save()

    def export(self) -> Path:
        """Writes the averaged policy as a checkpoint."""
        path = self._output / "policy.safetensors"
        policy = self._averaged_policy()
        facts = {
            "config": _as_json(self._config),
            "frames": len(self._demonstrations),
            "steps": self._step,
            "seconds": round(self._seconds, 1),
            "torch": torch.__version__,
        }
        save_policy(policy, path, training=facts)
        return path

    def _train_step(self) -> Losses:
        cloning = self._config.cloning
        # Drawn from the step's own generator, so that a run that goes on sees the batches that it would have seen.
        pairs = self._demonstrations.pairs(cloning.pairs, np.random.default_rng([self._config.seed, self._step]))
        for group in self._optimiser.param_groups:
            group["lr"] = cloning.learning_rate * _schedule(self._step, warmup=cloning.warmup_steps, steps=cloning.steps)
        # On a CPU the fused attention's backward pass takes twice as long as the plain one at these sizes.
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=cloning.bfloat16), sdpa_kernel(SDPBackend.MATH):
            losses = self._cloner.losses(pairs)
        self._optimiser.zero_grad()
        torch.autograd.backward(losses.total(cloning))
        torch.nn.utils.clip_grad_norm_(self._cloner.parameters(), cloning.gradient_norm, error_if_nonfinite=True)
        self._optimiser.step()
        self._update_average()
        return losses

    @torch.no_grad()
    def _update_average(self) -> None:
        # Early on a long memory would keep the random weights of the beginning.
        decay = min(self._config.cloning.average_decay, (1 + self._step) / (10 + self._step))
        policy = self._cloner.policy
        for averaged, weight in zip(self._average.parameters(), policy.parameters(), strict=True):
            averaged.lerp_(weight, 1 - decay)
        for kept, buffer in zip(self._average.buffers(), policy.buffers(), strict=True):
            kept.copy_(buffer)

    def _validate(self) -> None:
        simulation = Simulation()
        policy = self._averaged_policy()
        try:
            for skill in Skill:
                episodes = self._config.cloning.validation_episodes
                successes = sum(rollout.success for rollout in roll_out_skill(policy, simulation, skill=skill, episodes=episodes))
                self._note({"skill": skill.value, "successes": successes, "episodes": episodes})
        finally:
            simulation.close()
        self.export()

    def _averaged_policy(self) -> VisionLanguageActionPolicy:
        calibrate(self._average, self._demonstrations, pairs=_CALIBRATION_PAIRS, seed=self._config.seed)
        return self._average

    def _state_path(self) -> Path:
        return self._output / "state.safetensors"

    def _save(self) -> None:
        facts = {"step": self._step, "seconds": self._seconds, "config": _as_json(self._config)}
        save_state(self._state_path(), modules=self._modules(), optimiser=self._optimiser, facts=facts)

    def _resume(self) -> None:
        if not self._state_path().exists():
            return
        facts = load_state(self._state_path(), modules=self._modules(), optimiser=self._optimiser)
        if facts["config"] != _as_json(self._config):
            raise CheckpointError(f"{self._output} holds a run of another configuration; use another directory or delete it")
        self._step, self._seconds = facts["step"], facts["seconds"]

    def _modules(self) -> dict[str, torch.nn.Module]:
        return {"cloner": self._cloner, "average": self._average}

    def _note(self, facts: dict[str, Any]) -> None:
        line = json.dumps({"step": self._step} | facts)
        _log.info(line)
        with (self._output / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def _schedule(step: int, *, warmup: int, steps: int) -> float:
    """Factor on the learning rate: a linear rise, then a cosine down to zero."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(steps - warmup, 1)))


def _as_json(config: TrainingConfig) -> Any:
    return json.loads(json.dumps(dataclasses.asdict(config)))


def _as_numbers(losses: Losses) -> dict[str, float]:
    return {field.name: round(getattr(losses, field.name).item(), 4) for field in dataclasses.fields(losses)}
