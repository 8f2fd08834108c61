"""The command ``ttt-ros``."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.console import Console

from ttt_ros.errors import TttRosError

if TYPE_CHECKING:
    from ttt_ros.bags.mapping import StreamMapping
    from ttt_ros.policies.protocol import Policy

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Robot policies that keep learning while they run.")
console = Console(stderr=True)

Choice = TypeVar("Choice", bound=str)

FAILED = 1
COULD_NOT_RUN = 2


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
    out: Annotated[Path, typer.Option(help="Folder for the logs of the nodes.")] = Path("out/replay"),
) -> None:
    """Play a bag's sensor topics to the policy and safeguard nodes. Needs ROS."""
    from ttt_ros.nodes.replay import ReplaySetup, run_replay

    result = run_replay(bag, ReplaySetup(rate=rate, stepped=stepped, shadow=shadow, parameters=params), out=out, console=console)
    console.print(
        f"{result.chunks} chunks, {result.windows} windows, {result.committed} committed; version {result.version} {result.checksum[:12]}"
    )
    raise typer.Exit(0 if result.chunks and result.clean else FAILED)


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


@app.command("evaluate-sim")
def evaluate_sim(
    out: Annotated[Path, typer.Option(help="Folder for results, page and plots; a broken-off run goes on there.")],
    suite: Annotated[str, typer.Option(help="'deployment', or the YAML of a suite.")] = "",
    checkpoints: Annotated[Path, typer.Option(help="Folder of the suite's checkpoints.")] = Path("out/checkpoints"),
    quick: Annotated[bool, typer.Option(help="A few short deployments, to see that all of it runs.")] = False,
    jobs: Annotated[int, typer.Option(help="Processes on this machine.", min=1)] = 2,
    ray: Annotated[str | None, typer.Option(help="Address of a Ray cluster to run on instead, such as ray://host:10001.")] = None,
    only_analyse: Annotated[bool, typer.Option(help="Run nothing; write page and plots of what is there.")] = False,
    env: Annotated[str, typer.Option(help="Gymnasium id or module:function of another environment.")] = "",
    benchmark: Annotated[Path | None, typer.Option(help="YAML of robot, tasks and shifts for --env.")] = None,
    policy: Annotated[Path | None, typer.Option(help="Checkpoint for --env.")] = None,
    recurrent: Annotated[Path | None, typer.Option(help="Checkpoint of a policy with a memory, as one more arm of --env.")] = None,
) -> None:
    """Compare frozen, adapting and control arms in closed loop: on the deployment suite, or in a Gymnasium environment."""
    from ttt_ros.configuration import load_yaml
    from ttt_ros.errors import ConfigurationError

    if bool(suite) == bool(env):
        raise ConfigurationError("give either --suite or --env")
    if env:
        from ttt_ros.evaluation.environments.configuration import load_benchmark
        from ttt_ros.evaluation.environments.evaluate import evaluate_environment

        if benchmark is None or policy is None:
            raise ConfigurationError("--env needs --benchmark, which describes robot, tasks and shifts, and --policy")
        evaluate_environment(load_benchmark(benchmark, environment=env), policy=policy, out=out, recurrent=recurrent)
        console.print(f"{out / 'table.md'}")
        return
    from ttt_ros.evaluation.deployments.evaluate import evaluate_deployments
    from ttt_ros.evaluation.deployments.suite import SHIPPED_SUITE, SuiteConfig
    from ttt_ros.evaluation.deployments.suite import quick as shortened

    config = load_yaml(SHIPPED_SUITE if suite == "deployment" else Path(suite), SuiteConfig)
    evaluate_deployments(
        shortened(config) if quick else config,
        checkpoints=checkpoints,
        out=out,
        processes=jobs,
        console=console,
        ray_address=ray,
        only_analyse=only_analyse,
    )
    console.print(f"{out / 'report.html'}")


@app.command("evaluate-data")
def evaluate_data(
    dataset: Annotated[Path, typer.Option(help="LeRobot data set or folder of rosbag2.")],
    policy: Annotated[Path, typer.Option(help="Checkpoint.")],
    config: Annotated[Path, typer.Option(help="YAML of the evaluation, such as config/g1_evaluation.yaml.")],
    out: Annotated[Path, typer.Option(help="Folder for figures, table and plot.")] = Path("out/data"),
    choose_rate: Annotated[bool, typer.Option(help="Only try the learning rates of the file on its choice episodes.")] = False,
) -> None:
    """Compare the frozen and the adapting policy on recorded episodes."""
    from ttt_ros.configuration import load_yaml
    from ttt_ros.evaluation.recordings.configuration import RecordingsConfig
    from ttt_ros.evaluation.recordings.evaluation import choose_learning_rate, evaluate_dataset

    loaded = load_yaml(config, RecordingsConfig)
    if choose_rate:
        for rate, ratio in choose_learning_rate(policy, dataset, loaded).items():
            console.print(f"learning rate {rate:g}: action error {ratio:.4f} of the frozen policy's")
        return
    evaluate_dataset(policy, dataset, loaded, out)
    console.print((out / "table.md").read_text(encoding="utf-8"), highlight=False)


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
    from ttt_ros.evaluation.bags.evaluate import Where, evaluate_bags

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


@app.command()
def alignment(
    policy: Annotated[Path | None, typer.Option(help="Checkpoint; without it the shipped one.")] = None,
    condition: Annotated[str, typer.Option(help="Of the deployment suite.")] = "training/all",
    deployments: Annotated[int, typer.Option(help="Robots, each deployed frozen and adapting.", min=2)] = 40,
    goals: Annotated[int, typer.Option(help="Of each.", min=2)] = 40,
    seed: Annotated[int, typer.Option(help="Of the first robot.", min=0)] = 2_000_000,
    out: Annotated[Path, typer.Option(help="Folder for JSON and plot.")] = Path("out/alignment"),
) -> None:
    """Measure whether the gradient of the reconstruction agrees with that of the labelled action, and whether that goes with the gain."""
    import torch

    from ttt_ros.configuration import load_yaml
    from ttt_ros.evaluation.deployments.alignment import measure_alignment
    from ttt_ros.evaluation.deployments.suite import SHIPPED_SUITE, SuiteConfig
    from ttt_ros.policies.shipped import SHIPPED_POLICY

    torch.set_num_threads(1)
    adaptation = load_yaml(SHIPPED_SUITE, SuiteConfig).adaptation
    found = measure_alignment(
        policy or SHIPPED_POLICY, adaptation, condition=condition, seeds=range(seed, seed + deployments), goals=goals, out=out
    )
    console.print(f"mean cosine of the gradients {found.gradient}, of the steps {found.step}; {out / 'alignment.json'}")


@app.command()
def assess(
    policy: Annotated[Path | None, typer.Option(help="Checkpoint; without it the shipped one for touching and pushing.")] = None,
    out: Annotated[Path, typer.Option(help="JSON file for the figures.")] = Path("out/assessment.json"),
    episodes: Annotated[int, typer.Option(help="Episodes of each skill.", min=1)] = 200,
    layouts: Annotated[int, typer.Option(help="Layouts in which every cube is asked for.", min=1)] = 50,
    seed: Annotated[int, typer.Option(help="Seed of the first layout.", min=0)] = 2_000_000,
) -> None:
    """Measure a frozen policy's success in the simulation: the figures of its model card."""
    from dataclasses import asdict

    import torch

    from ttt_ros.policies.checkpoint import load_policy
    from ttt_ros.policies.shipped import REACTIVE_POLICY
    from ttt_ros.training import assessment

    torch.set_num_threads(1)
    result = assessment.assess(load_policy(policy or REACTIVE_POLICY), episodes=episodes, layouts=layouts, first_seed=seed)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(asdict(result), indent=2) + "\n")
    for name, share in (("touch", result.touch), ("push", result.push), ("language", result.language)):
        interval = f"{100 * share.lower:.1f} to {100 * share.upper:.1f} %"
        console.print(f"{name:9} {share.count} of {share.episodes}: {100 * share.share:.1f} % ({interval})")


@app.command()
def bench(out: Annotated[Path, typer.Option(help="Folder for bench.json and the table.")] = Path("out/bench")) -> None:
    """Measure latencies, costs and memory, of adapting and of evaluating on bags, as ratios taken in one run."""
    from ttt_ros.evaluation.bags.benchmark import run_bag_benchmark
    from ttt_ros.evaluation.benchmark import run_benchmark

    run_benchmark(out, console)
    run_bag_benchmark(out, console)


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
