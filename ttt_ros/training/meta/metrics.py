"""Figures of a training run as it goes: a JSON line each, and TensorBoard or Weights & Biases."""

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter

from ttt_ros.errors import ConfigurationError
from ttt_ros.training.meta.configuration import MetaConfig

_log = logging.getLogger(__name__)


class Metrics:
    """Writes figures under ``output``; does nothing in processes that are not ``active``."""

    def __init__(self, config: MetaConfig, output: Path, *, active: bool) -> None:
        """Opens the logger that ``config`` names.

        Raises:
            ConfigurationError: Weights & Biases is asked for and not installed.
        """
        self._path = output / "log.jsonl"
        self._active = active
        self._board: SummaryWriter | None = None
        self._bias: Any = None
        if not active:
            return
        output.mkdir(parents=True, exist_ok=True)
        if config.logger == "tensorboard":
            self._board = SummaryWriter(str(output / "tensorboard"))
        else:
            self._bias = _weights_and_biases(config, output)

    def note(self, step: int, figures: Mapping[str, float]) -> None:
        """Writes the figures of one step."""
        if not self._active:
            return
        line = json.dumps({"step": step} | {name: round(figure, 6) for name, figure in figures.items()})
        _log.info(line)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        if self._board is not None:
            for name, figure in figures.items():
                self._board.add_scalar(name, figure, step)
        if self._bias is not None:
            self._bias.log(dict(figures), step=step)

    def close(self) -> None:
        """Flushes all."""
        if self._board is not None:
            self._board.close()
        if self._bias is not None:
            self._bias.finish()


def _weights_and_biases(config: MetaConfig, output: Path) -> Any:
    try:
        import wandb
    except ImportError:
        raise ConfigurationError("logger is 'wandb', but wandb is not installed; install it or use logger=tensorboard") from None
    # The environment variable WANDB_MODE=offline keeps everything on this machine.
    return wandb.init(project="ttt_ros", dir=str(output), config=asdict(config))
