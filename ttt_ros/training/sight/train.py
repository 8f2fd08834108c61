"""A whole training run of the vision trunk: pictures, training, figures."""

import copy
import dataclasses
import json
from pathlib import Path

import torch
from torch import Tensor

from ttt_ros.policies.sight import Sight
from ttt_ros.training.learning_rate import warm_cosine
from ttt_ros.training.progress import progress_bar
from ttt_ros.training.run_log import RunLog
from ttt_ros.training.run_state import RunState, as_facts
from ttt_ros.training.sight.appearance import vary_appearance
from ttt_ros.training.sight.configuration import SightTrainingConfig
from ttt_ros.training.sight.figures import measure_sight
from ttt_ros.training.sight.losses import sight_losses
from ttt_ros.training.sight.pictures import Pictures, record_pictures
from ttt_ros.training.sight.robots import RobotPerGoal
from ttt_ros.training.sight.weights import save_sight
from ttt_ros.training.weight_average import update_average

_LOG_EVERY = 200
_TEST_SEED = 1_000_000
"""Of the robots and layouts that a run is measured on; the pictures that teach have smaller ones."""


def train_sight(config: SightTrainingConfig, output: Path) -> Path:
    """Trains a ``Sight`` and returns the path of its tensors, ``output / "sight.safetensors"``.

    ``output`` also receives the pictures, the state of the run, ``log.jsonl`` and, at the end, the figures on new robots as
    ``figures.json``. A run that was broken off goes on from its last saved state, and ends at the same weights bit for bit (on a CPU, with
    the same number of threads).

    Raises:
        CheckpointError, RecordingError: ``output`` holds another run.
    """
    torch.set_num_threads(config.threads)
    run = _Run(config, record_pictures(config.pictures, output / "pictures"), output)
    run.go_on()
    return run.export()


class _Run:
    def __init__(self, config: SightTrainingConfig, pictures: Pictures, output: Path) -> None:
        torch.manual_seed(config.seed)
        self._config = config
        self._pictures = pictures
        self._output = output
        self._sight = Sight(config.sight)
        self._average = copy.deepcopy(self._sight)
        self._optimiser = torch.optim.AdamW(self._sight.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
        self._log = RunLog(output)
        self._state = RunState(
            output / "state.safetensors",
            modules={"sight": self._sight, "average": self._average},
            optimiser=self._optimiser,
            config=as_facts(config),
        )

    def go_on(self) -> None:
        """Trains up to the configured number of steps."""
        config, state = self._config, self._state
        with progress_bar("training sight", total=config.steps, completed=state.step) as advance:
            while state.step < config.steps:
                with state.counted():
                    losses = self._train_step()
                advance()
                if state.step % _LOG_EVERY == 0:
                    figures = {name: round(loss.item(), 5) for name, loss in losses.items()}
                    self._log.note(state.step, figures | {"seconds": round(state.seconds, 1)})
                if state.step % config.checkpoint_every == 0:
                    state.save()

    def export(self) -> Path:
        """Writes the averaged network and its figures on robots that it has not seen."""
        path = self._output / "sight.safetensors"
        save_sight(self._average, path)
        figures = measure_sight(self._average, RobotPerGoal(seed=_TEST_SEED), goals=self._config.test_goals, seed=_TEST_SEED)
        facts = {"figures": dataclasses.asdict(figures), "training_seconds": round(self._state.seconds, 1)}
        (self._output / "figures.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
        self._log.note(self._state.step, facts)
        return path

    def _train_step(self) -> dict[str, Tensor]:
        config, step = self._config, self._state.step
        # Drawn from the step's own generator, so that a run that goes on sees the batches that it would have seen.
        generator = torch.Generator().manual_seed(config.seed * 1_000_003 + step)
        chosen = torch.randint(len(self._pictures.images), (config.batch,), generator=generator)
        images = vary_appearance(self._pictures.images[chosen], config.appearance, generator)
        for group in self._optimiser.param_groups:
            group["lr"] = config.learning_rate * warm_cosine(step, warmup=config.warmup_steps, steps=config.steps)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=config.bfloat16):
            losses = sight_losses(self._sight, images, self._pictures.points[chosen], self._pictures.seen[chosen])
        total = losses["position"] + config.heat_weight * losses["heat"] + config.confidence_weight * losses["confidence"]
        self._optimiser.zero_grad()
        torch.autograd.backward(total)
        torch.nn.utils.clip_grad_norm_(self._sight.parameters(), config.gradient_norm, error_if_nonfinite=True)
        self._optimiser.step()
        update_average(self._average, self._sight, step=step, decay=config.average_decay)
        return losses
