"""Commands that run the nodes."""

from pathlib import Path
from typing import Annotated

import typer

from ttt_ros.cli.application import FAILED, app, console


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for report, bag and logs.")] = Path("out/demo"),
    goals_before: Annotated[int, typer.Option(help="Goals of each arm before the robot changes.", min=1)] = 8,
    goals_after: Annotated[int, typer.Option(help="Goals of each arm after it.", min=1)] = 20,
    seed: Annotated[int, typer.Option(help="Seed of layouts and goals.", min=0)] = 3,
    real_time_factor: Annotated[float, typer.Option(help="Simulated over wall seconds; lower it on a busy machine.", min=0.05)] = 1.0,
    picture: Annotated[Path | None, typer.Option(help="File that the overview is written to as well, such as docs/demo.png.")] = None,
) -> None:
    """Show the loop: frozen and adapting policy in the simulation over DDS, before and after the robot changes. Needs ROS."""
    from ttt_ros.evaluation.checks import exit_code
    from ttt_ros.evaluation.report import OVERVIEW
    from ttt_ros.nodes.demo import DemoConfig, run_demo

    config = DemoConfig(goals_before=goals_before, goals_after=goals_after, seed=seed, real_time_factor=real_time_factor)
    report = run_demo(config, out, console)
    if picture is not None:
        picture.write_bytes((out / OVERVIEW).read_bytes())
    for check in report.checks:
        console.print(f"{'[green]ok  [/green]' if check.passed else '[red]FAIL[/red]'} {check.name}: {check.figure} (limit: {check.limit})")
    console.print(f"{report.verdict}\n{out / 'report.html'}")
    raise typer.Exit(exit_code(report.checks))


@app.command()
def replay(
    bag: Annotated[Path, typer.Argument(help="Folder of a rosbag2.")],
    rate: Annotated[float, typer.Option(help="Played over recorded speed.", min=0.01)] = 1.0,
    shadow: Annotated[bool, typer.Option(help="The policy learns from the commands in the bag, not from its own.")] = False,
    stepped: Annotated[bool, typer.Option(help="Message by message, in shadow and without a safeguard, as evaluate-bag does.")] = False,
    params: Annotated[Path | None, typer.Option(help="Parameter file of the policy node; without it the shipped one.")] = None,
    safeguard_params: Annotated[Path | None, typer.Option(help="That of the safeguard node, likewise.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the logs of the nodes.")] = Path("out/replay"),
) -> None:
    """Play a bag's sensor topics to the policy and safeguard nodes. Needs ROS."""
    from ttt_ros.nodes.replay import ReplaySetup, run_replay

    setup = ReplaySetup(rate=rate, stepped=stepped, shadow=shadow, parameters=params, safeguard_parameters=safeguard_params)
    result = run_replay(bag, setup, out=out, console=console)
    console.print(
        f"{result.chunks} chunks, {result.windows} windows, {result.committed} committed; version {result.version} {result.checksum[:12]}"
    )
    raise typer.Exit(0 if result.chunks and result.clean else FAILED)
