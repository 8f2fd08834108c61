"""Commands on recordings."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from ttt_ros.cli.application import COULD_NOT_RUN, FAILED, app, console

if TYPE_CHECKING:
    from ttt_ros.bags.mapping import StreamMapping
    from ttt_ros.policies.protocol import Policy

Choice = TypeVar("Choice", bound=str)


@app.command()
def inspect(
    bag: Annotated[Path, typer.Argument(help="A rosbag2 (mcap or sqlite3), also a damaged one.")],
) -> None:
    """Print what is in a bag, and propose the 'streams' section of a configuration for evaluate-bag (alone on the standard output)."""
    from ttt_ros.bags.inspection import inspect_bag
    from ttt_ros.bags.proposal import proposal_yaml

    found = inspect_bag(bag)
    console.print(found.table())
    if found.damage:
        console.print(f"damage: {found.damage}", style="yellow", highlight=False, soft_wrap=True)
    typer.echo(proposal_yaml(found))


@app.command()
def convert(
    source: Annotated[Path, typer.Argument(help="LeRobot data set (v2.1, v3.0), or a rosbag2 or a folder of them.")],
    target: Annotated[Path, typer.Argument(help="Folder that is made: of bags from a data set, a data set from bags.")],
    images: Annotated[str, typer.Option(help="In bags jpeg (default) or png, in data sets png (default) or video.")] = "",
    quality: Annotated[int, typer.Option(help="Of JPEG.", min=1, max=100)] = 95,
    distribution: Annotated[str, typer.Option(help="ROS distribution that is to read the bags.")] = "kilted",
    version: Annotated[str, typer.Option(help="Of the data set: v3.0 or v2.1.")] = "v3.0",
    mapping: Annotated[
        Path | None, typer.Option(help="YAML that says what the topics mean; without it guessed from the first bag.")
    ] = None,
    robot: Annotated[str, typer.Option(help="Name of the robot in the data set.")] = "unknown",
    episode: Annotated[list[int] | None, typer.Option(help="Convert this one alone; may be given several times.")] = None,
) -> None:
    """Turn a LeRobot data set into bags, one for each episode, or bags into a LeRobot data set."""
    from ttt_ros.configuration import load_yaml
    from ttt_ros.training.datasets.bag import BagMapping
    from ttt_ros.training.datasets.conversion import bags_from_lerobot, lerobot_from_bags

    if (source / "meta").is_dir():
        count = bags_from_lerobot(
            source,
            target,
            images=_choice(images or "jpeg", ("jpeg", "png"), option="--images"),
            quality=quality,
            episodes=episode,
            distribution=distribution,
        )
    else:
        count = lerobot_from_bags(
            source,
            target,
            mapping=load_yaml(mapping, BagMapping) if mapping else None,
            version=_choice(version, ("v3.0", "v2.1"), option="--version"),
            images=_choice(images or "png", ("png", "video"), option="--images"),
            robot=robot,
            episodes=episode,
        )
    console.print(f"{count} episodes; {target}")


def _choice(value: str, allowed: tuple[Choice, ...], *, option: str) -> Choice:
    from ttt_ros.errors import ConfigurationError

    for each in allowed:
        if value == each:
            return each
    raise ConfigurationError(f"{option} is '{value}'; for this direction choose {' or '.join(allowed)}")


@app.command("evaluate-bag")
def evaluate_bag(
    bags: Annotated[list[Path], typer.Argument(help="Folders or files of rosbag2 recordings.")],
    config: Annotated[Path, typer.Option(help="YAML of the evaluation, such as config/bag.yaml.")],
    out: Annotated[Path, typer.Option(help="Folder for records, results and page; a broken-off evaluation goes on there.")] = Path(
        "out/bags"
    ),
    policy: Annotated[
        Path | None, typer.Option(help="Checkpoint, or the name of a shipped one; without it that of the parameters.")
    ] = None,
    thresholds: Annotated[Path | None, typer.Option(help="YAML of the limits; without it those of config/evaluation.yaml.")] = None,
    jobs: Annotated[int, typer.Option(help="Processes on this machine.", min=1)] = 2,
    ray: Annotated[str | None, typer.Option(help="Address of a Ray cluster to run on instead, such as ray://host:10001.")] = None,
) -> None:
    """Evaluate the policy, frozen and adapting, on recordings, and judge it. Exit code 0: passed, 1: failed, 2: could not evaluate."""
    from ttt_ros.evaluation.bags.evaluate import evaluate_bags
    from ttt_ros.evaluation.workers import Where

    where = Where(processes=jobs, ray_address=ray)
    evaluated = evaluate_bags(bags, policy=policy, config=config, thresholds=thresholds, out=out, where=where, console=console)
    for line in evaluated.verdict.lines:
        mark = {True: "[green]ok  [/green]", False: "[red]FAIL[/red]", None: "    "}[line.passed]
        console.print(f"{mark} {line.name}: {line.figure} (limit: {line.limit})", highlight=False)
        if line.passed is False:
            console.print(f"     {line.cause}", highlight=False, soft_wrap=True)
    console.print(f"{evaluated.verdict.sentence}\n{out / 'report.html'}")
    raise typer.Exit(evaluated.verdict.exit_code)


@app.command()
def verify(
    journal: Annotated[Path, typer.Argument(help="Journal of an adaptation, live or offline.")],
    bag: Annotated[Path, typer.Option(help="The rosbag2 that holds what the run saw.")],
    policy: Annotated[Path | None, typer.Option(help="Checkpoint; without it that of --config, or the shipped one.")] = None,
    config: Annotated[
        Path | None, typer.Option(help="YAML of evaluate-bag, for its topics and policy; without it the topics of the nodes.")
    ] = None,
    initial_weights: Annotated[Path | None, typer.Option(help="Snapshot of fast weights that the run began with.")] = None,
) -> None:
    """Compute the weights of a journal again from the bag of its run, and compare them checksum by checksum."""
    from ttt_ros.evaluation.journal_verification import Outcome
    from ttt_ros.evaluation.journal_verification import verify as verified

    with_policy, streams = _policy_and_streams(policy, config)
    result = verified(journal, bag, with_policy, streams, initial_weights=initial_weights, shows_progress=True)
    console.print(f"{result}", highlight=False, soft_wrap=True)
    raise typer.Exit({Outcome.DIFFERENT: FAILED, Outcome.UNVERIFIED: COULD_NOT_RUN}.get(result.outcome, 0))


def _policy_and_streams(policy: Path | None, config: Path | None) -> "tuple[Policy, StreamMapping]":
    from ttt_ros.bags.mapping import StreamMapping
    from ttt_ros.configuration import load_yaml
    from ttt_ros.control.parameter_file import load_parameter_file
    from ttt_ros.evaluation.bags.configuration import BagEvaluationConfig
    from ttt_ros.policies.factory import create_policy
    from ttt_ros.policies.shipped import SHIPPED, SHIPPED_POLICY

    if config is not None:
        loaded = load_yaml(config, BagEvaluationConfig)
        parameters = load_parameter_file(config.parent / loaded.parameters)
        path = policy or parameters.policy_path or SHIPPED_POLICY
        created = create_policy(SHIPPED.get(str(path), path), device=parameters.policy_device, factory=parameters.policy_factory)
        return created, loaded.streams
    path = policy or SHIPPED_POLICY
    created = create_policy(SHIPPED.get(str(path), path), device="cpu")
    cameras = {camera.name: f"/camera/{camera.name}/image_raw" for camera in created.specification.cameras}
    return created, StreamMapping(cameras=cameras, joint_states="/joint_states", instruction="/instruction")
