"""The command ``ttt-ros``."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ttt_ros.errors import TttRosError

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Robot policies that keep learning while they run.")
console = Console(stderr=True)

FAILED = 1
COULD_NOT_RUN = 2


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for report, bag and logs.")] = Path("out/demo"),
    duration: Annotated[float, typer.Option(help="Seconds of closed loop for each arm.", min=10.0)] = 60.0,
    seed: Annotated[int, typer.Option(help="Seed of scene and goals.", min=0)] = 3,
) -> None:
    """Show the loop: frozen and adapting policy in the simulation over DDS. Needs ROS."""
    from ttt_ros.evaluation.checks import exit_code
    from ttt_ros.nodes.demo import DemoConfig, run_demo

    report = run_demo(DemoConfig(duration=duration, seed=seed), out, console)
    for check in report.checks:
        console.print(f"{'[green]ok  [/green]' if check.passed else '[red]FAIL[/red]'} {check.name}: {check.figure} (limit: {check.limit})")
    console.print(f"{report.verdict}\n{out / 'report.html'}")
    raise typer.Exit(exit_code(report.checks))


@app.command()
def replay(
    bag: Annotated[Path, typer.Argument(help="Folder of a rosbag2.")],
    rate: Annotated[float, typer.Option(help="Played over recorded speed.", min=0.01)] = 1.0,
    out: Annotated[Path, typer.Option(help="Folder for the logs of the nodes.")] = Path("out/replay"),
) -> None:
    """Play a bag's sensor topics to the policy and safeguard nodes. Needs ROS."""
    from ttt_ros.nodes.replay import run_replay

    result = run_replay(bag, rate=rate, out=out, console=console)
    console.print(
        f"{result.chunks} chunks, {result.windows} windows, {result.committed} committed; version {result.version} {result.checksum[:12]}"
    )
    raise typer.Exit(0 if result.chunks and result.clean else FAILED)


@app.command()
def train(
    config: Annotated[Path, typer.Option(help="Training configuration (YAML), such as config/training.yaml.")],
    output: Annotated[Path, typer.Option(help="Folder for demonstrations, log and checkpoints; a broken-off training goes on there.")],
) -> None:
    """Train a policy from scripted demonstrations in the simulation."""
    from ttt_ros.configuration import load_yaml
    from ttt_ros.training.configuration import TrainingConfig
    from ttt_ros.training.train import train as run

    console.print(f"{run(load_yaml(config, TrainingConfig), output)}")


@app.command()
def assess(
    policy: Annotated[Path | None, typer.Option(help="Checkpoint; without it the shipped one.")] = None,
    out: Annotated[Path, typer.Option(help="JSON file for the figures.")] = Path("out/assessment.json"),
    episodes: Annotated[int, typer.Option(help="Episodes of each skill.", min=1)] = 200,
    layouts: Annotated[int, typer.Option(help="Layouts in which every cube is asked for.", min=1)] = 50,
    seed: Annotated[int, typer.Option(help="Seed of the first layout.", min=0)] = 2_000_000,
) -> None:
    """Measure a frozen policy's success in the simulation: the figures of its model card."""
    from dataclasses import asdict

    import torch

    from ttt_ros.policies.checkpoint import load_policy
    from ttt_ros.policies.shipped import SHIPPED_POLICY
    from ttt_ros.training import assessment

    torch.set_num_threads(1)
    result = assessment.assess(load_policy(policy or SHIPPED_POLICY), episodes=episodes, layouts=layouts, first_seed=seed)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(asdict(result), indent=2) + "\n")
    for name, share in (("touch", result.touch), ("push", result.push), ("language", result.language)):
        interval = f"{100 * share.lower:.1f} to {100 * share.upper:.1f} %"
        console.print(f"{name:9} {share.count} of {share.episodes}: {100 * share.share:.1f} % ({interval})")


@app.command()
def bench(out: Annotated[Path, typer.Option(help="Folder for bench.json and the table.")] = Path("out/bench")) -> None:
    """Measure latencies, costs and memory, as ratios taken in one run."""
    from ttt_ros.evaluation.benchmark import run_benchmark

    run_benchmark(out, console)


def main() -> None:
    """Entry point; an error that the user can mend is one line, not a traceback."""
    try:
        app()
    except TttRosError as error:
        console.print(f"error: {error}", style="red", highlight=False, soft_wrap=True)
        sys.exit(COULD_NOT_RUN)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] not in ("rclpy", "ament_index_python", "ttt_ros"):
            raise
        console.print(f"error: {error}; this command needs ROS 2 and the built messages, see README.md", style="red", soft_wrap=True)
        sys.exit(COULD_NOT_RUN)


if __name__ == "__main__":
    main()
