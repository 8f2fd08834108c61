"""Commands that make policies."""

from pathlib import Path
from typing import Annotated

import typer

from ttt_ros.cli.application import app, console


@app.command()
def train(
    output: Annotated[Path, typer.Option(help="Folder for data, logs and checkpoints; a broken-off training goes on there.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="Of the meta-training, such as method=lstm or meta.outer.steps=100.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="YAML of a behaviour cloning instead, such as config/training.yaml.")] = None,
    dataset: Annotated[Path | None, typer.Option(help="LeRobot data set or folder of rosbag2 to clone; without it the simulation.")] = None,
) -> None:
    """Meta-train a policy that adapts, or clone demonstrations with --config.

    The methods: second_order, first_order, naive, static, nominal, oracle, lstm, window, attention.
    """
    from ttt_ros.errors import ConfigurationError

    if config is not None and overrides:
        raise ConfigurationError(f"'{' '.join(overrides)}' changes a meta-training, but --config asks for a cloning; give one of them")
    if dataset is not None and config is None:
        raise ConfigurationError("--dataset needs --config, which says what of the data set is learned; see config/g1.yaml")
    console.print(f"{_trained(output, overrides or [], config, dataset)}")


def _trained(output: Path, overrides: list[str], config: Path | None, dataset: Path | None) -> Path:
    from ttt_ros.configuration import load_yaml

    if config is None:
        from ttt_ros.training.meta.pipeline import composed, run_pipeline

        return run_pipeline(composed(overrides), output)
    if dataset is None:
        from ttt_ros.training.configuration import TrainingConfig
        from ttt_ros.training.train import train as run

        return run(load_yaml(config, TrainingConfig), output)
    from ttt_ros.training.dataset_training import DatasetTrainingConfig, train_on_dataset

    return train_on_dataset(load_yaml(config, DatasetTrainingConfig), dataset, output)


@app.command("describe-features")
def describe_features(
    policy: Annotated[Path, typer.Option(help="Checkpoint for the simulated desk arm.")],
    output: Annotated[Path, typer.Option(help="Checkpoint that is written; may be the same file.")],
    jobs: Annotated[int, typer.Option(help="Processes that record.", min=1)] = 2,
) -> None:
    """Give a checkpoint the mean and covariance of its features in training, from robots of the training; nothing else changes."""
    from ttt_ros.training.description import describe_features as described

    header = described(policy, output, jobs=jobs)
    console.print(f"{output}: policy {header.checksum[:12]} as before, statistics {header.statistics_checksum[:12]}")
