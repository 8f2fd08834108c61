"""Meta-training on recorded deployments: the outer loop's steps, its states on disk and its checkpoint."""

import copy
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric, seed_everything
from pydantic import JsonValue

from ttt_ros.errors import ConfigurationError
from ttt_ros.policies.checkpoint import save_policy
from ttt_ros.policies.memory.policy import MemoryPolicy
from ttt_ros.training.learning_rate import warm_cosine
from ttt_ros.training.meta.configuration import MetaConfig, Order
from ttt_ros.training.meta.metrics import Metrics
from ttt_ros.training.meta.outer_loop import DeploymentLoss, segments
from ttt_ros.training.meta.sequences import Sequences
from ttt_ros.training.progress import progress_bar
from ttt_ros.training.run_state import RunState, as_facts

_STATE = "state.safetensors"
_POLICY = "policy.safetensors"
_LOG_EVERY = 10
_FINAL_RATE = 0.01
"""Share of the peak learning rate that is left at the end."""


def meta_train(
    config: MetaConfig, policy: MemoryPolicy, data: Sequences, held_out: Sequences, output: Path, *, facts: Mapping[str, JsonValue]
) -> Path:
    """Meta-trains ``policy``, in place, and returns the path of its checkpoint in ``output``.

    A run that was broken off goes on from its last saved state, and ends at the same weights bit for bit (on a CPU, with one thread).

    Args:
        data: what is trained on.
        held_out: what is validated on.
        facts: where the data and the policy come from, for the checkpoint's header; a run goes on only where they are the same.

    Raises:
        CheckpointError: ``output`` holds a run of another configuration.
        ConfigurationError: the accelerator that is asked for is not there.
    """
    run = _Run(config, policy, data, held_out, output, facts=facts)
    run.go_on()
    return run.export()


class _Run:
    def __init__(
        self,
        config: MetaConfig,
        policy: MemoryPolicy,
        data: Sequences,
        held_out: Sequences,
        output: Path,
        *,
        facts: Mapping[str, JsonValue],
    ) -> None:
        self._config = config
        self._output = output
        self._fabric = launched(config)
        self._policy = policy
        trained = [weight for weight in policy.parameters() if weight.requires_grad]
        optimiser = torch.optim.AdamW(trained, lr=config.outer.learning_rate, weight_decay=config.outer.weight_decay)
        self._loss, self._optimiser = self._fabric.setup(DeploymentLoss(policy, config), optimiser)
        self._data, self._held_out = (part.on(self._fabric.device) for part in (data, held_out))
        self._metrics = Metrics(config, output, active=self._fabric.is_global_zero)
        self._facts = dict(facts)
        self._state = RunState(
            output / _STATE,
            modules={"policy": policy},
            optimiser=self._optimiser.optimizer,
            config={**as_facts(config), "facts": json.loads(json.dumps(self._facts))},
        )

    def go_on(self) -> None:
        """Trains up to the configured number of steps."""
        outer, state = self._config.outer, self._state
        with progress_bar("outer loop", total=outer.steps, completed=state.step, shown=self._fabric.is_global_zero) as advance:
            while state.step < outer.steps:
                with state.counted():
                    figures = self._train_step()
                advance()
                if state.step % _LOG_EVERY == 0:
                    self._metrics.note(state.step, figures | {"seconds": state.seconds})
                if state.step % self._config.validate_every == 0:
                    self._metrics.note(state.step, self._validated())
                if state.step % self._config.save_every == 0:
                    self._save()
        self._metrics.close()

    def export(self) -> Path:
        """Writes the policy as a checkpoint."""
        path = self._output / _POLICY
        if self._fabric.is_global_zero:
            own: dict[str, Any] = {
                "config": as_facts(self._config),
                "steps": self._state.step,
                "processes": self._fabric.world_size,
                "seconds": round(self._state.seconds, 1),
                "torch": torch.__version__,
            }
            save_policy(copy.deepcopy(self._policy).cpu(), path, training={**self._facts, **own})
        self._fabric.barrier()
        return path

    def _train_step(self) -> dict[str, float]:
        outer = self._config.outer
        for group in self._optimiser.param_groups:
            group["lr"] = outer.learning_rate * warm_cosine(self._state.step, warmup=outer.warmup, steps=outer.steps, final=_FINAL_RATE)
        self._optimiser.zero_grad()
        figures = self._along(self._batch(), learning=True)
        self._fabric.clip_gradients(self._loss, self._optimiser, max_norm=outer.gradient_norm, error_if_nonfinite=True)
        self._optimiser.step()
        return {f"train/{name}": figure for name, figure in figures.items()}

    @torch.no_grad()
    def _validated(self) -> dict[str, float]:
        return {f"held_out/{name}": figure for name, figure in self._along(self._held_out, learning=False).items()}

    def _batch(self) -> Sequences:
        # Drawn from the step's own generator, so that a run that goes on sees the batches that it would have seen.
        generator = torch.Generator().manual_seed(
            self._config.seed * 1_000_003 + self._state.step * self._fabric.world_size + self._fabric.global_rank
        )
        chosen = torch.randint(self._data.deployments, (self._config.outer.deployments,), generator=generator)
        return self._data.selected(chosen.to(self._fabric.device))

    def _along(self, batch: Sequences, *, learning: bool) -> dict[str, float]:
        """Losses along whole deployments, segment by segment, with gradients accumulated if ``learning``."""
        outer = self._config.outer
        ramp = min(1.0, (self._state.step + 1) / outer.ramp) if outer.ramp else 1.0
        adapts = outer.order is not Order.NONE
        carry = self._loss.module.begin(batch.deployments, ramp=ramp) if adapts else None
        parts = list(segments(outer.goals, length=outer.truncation if adapts else outer.goals))
        total = tip = 0.0
        for part in parts:
            losses, carry = self._loss(batch, carry, part, ramp=ramp)
            if learning:
                self._fabric.backward(losses.total * len(part) / outer.goals)
            carry = None if carry is None else carry.detached()
            total += float(losses.total.detach()) * len(part) / outer.goals
            tip += float(losses.tip) * len(part) / outer.goals
        return {"loss": total, "tip_error_m": tip, "last_tip_error_m": float(losses.tip)}

    def _save(self) -> None:
        if self._fabric.is_global_zero:
            self._state.save()
        self._fabric.barrier()


def launched(config: MetaConfig) -> Fabric:
    """Fabric on the devices of ``config``, which may also be those that ``torchrun`` started.

    Raises:
        ConfigurationError: the accelerator is not there.
    """
    precision: Any = config.precision  # Fabric checks it
    # torchrun says by these how many processes it has started here and on how many machines.
    devices = int(os.environ.get("LOCAL_WORLD_SIZE", config.devices))
    nodes = int(os.environ.get("WORLD_SIZE", devices)) // devices
    strategy = "auto" if devices * nodes == 1 else "ddp_find_unused_parameters_true"
    try:
        fabric = Fabric(accelerator=config.accelerator, devices=devices, num_nodes=nodes, precision=precision, strategy=strategy)
        fabric.launch()
    except (RuntimeError, ValueError) as error:
        raise ConfigurationError(
            f"accelerator '{config.accelerator}' with {config.devices} devices and precision {config.precision} cannot be used: {error}; "
            "use accelerator=cpu or another precision"
        ) from None
    seed_everything(config.seed, verbose=False)
    return fabric
