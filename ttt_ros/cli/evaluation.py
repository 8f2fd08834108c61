"""Commands that measure policies, outside of recordings."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ttt_ros.cli.application import app, console

if TYPE_CHECKING:
    from ttt_ros.adaptation.configuration import AdaptationConfig


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


@app.command()
def alignment(
    policy: Annotated[Path | None, typer.Option(help="Checkpoint; without it the shipped one.")] = None,
    parameters: Annotated[
        Path | None,
        typer.Option(help="Parameter file with the adaptation; without it config/policy_node.yaml, which fits the shipped one."),
    ] = None,
    condition: Annotated[str, typer.Option(help="Of the deployment suite.")] = "training/all",
    deployments: Annotated[int, typer.Option(help="Robots, each deployed frozen and adapting.", min=2)] = 40,
    goals: Annotated[int, typer.Option(help="Of each.", min=2)] = 40,
    seed: Annotated[int, typer.Option(help="Of the first robot.", min=0)] = 2_000_000,
    out: Annotated[Path, typer.Option(help="Folder for JSON and plot.")] = Path("out/alignment"),
) -> None:
    """Measure whether the gradient of the reconstruction agrees with that of the labelled action, and whether that goes with the gain."""
    import torch

    from ttt_ros.evaluation.deployments.alignment import measure_alignment
    from ttt_ros.evaluation.deployments.targets import ratio
    from ttt_ros.policies.shipped import SHIPPED_POLICY

    torch.set_num_threads(1)
    seeds = range(seed, seed + deployments)
    found = measure_alignment(policy or SHIPPED_POLICY, _adaptation(parameters), condition=condition, seeds=seeds, goals=goals, out=out)
    for words, figure in (
        ("mean cosine of the gradients", found.gradient),
        ("mean cosine of the steps taken", found.step),
        ("rank correlation of the gradients' cosine with the gain", found.gradient_with_gain),
        ("rank correlation of the steps' cosine with the gain", found.step_with_gain),
    ):
        console.print(f"{words}: {ratio(figure) if figure else 'not defined'}", highlight=False)
    console.print(f"{out / 'alignment.json'}")


@app.command("measure-gates")
def measure_gates(
    policy: Annotated[Path | None, typer.Option(help="Checkpoint; without it the shipped one.")] = None,
    parameters: Annotated[
        Path | None,
        typer.Option(help="Parameter file with the adaptation; without it config/policy_node.yaml, which fits the shipped one."),
    ] = None,
    condition: Annotated[str, typer.Option(help="Of the deployment suite.")] = "training/all",
    deployments: Annotated[int, typer.Option(help="Robots.", min=1)] = 40,
    goals: Annotated[int, typer.Option(help="Of each.", min=1)] = 64,
    seed: Annotated[int, typer.Option(help="Of the first robot.", min=0)] = 4_000_000,
    out: Annotated[Path, typer.Option(help="Folder for JSON and plot.")] = Path("out/gates"),
) -> None:
    """Measure what the gates on samples and gradients judge on clean robots: what their limits must let pass."""
    import torch

    from ttt_ros.evaluation.deployments import gate_figures
    from ttt_ros.policies.shipped import SHIPPED_POLICY

    torch.set_num_threads(1)
    path, adaptation, seeds = policy or SHIPPED_POLICY, _adaptation(parameters), range(seed, seed + deployments)
    for each in gate_figures.measure_gates(path, adaptation, condition=condition, seeds=seeds, goals=goals, out=out):
        console.print(
            f"{each.name}, {each.count} times: median {each.median:.3g}, one in 1,000 above {each.one_in_1000:.3g}, "
            f"largest {each.largest:.3g}; {100 * each.refused:.2f} % above the limit, {each.limit:.3g} ({each.setting})",
            highlight=False,
        )
    console.print(f"{out / 'gates.json'}")


def _adaptation(parameters: Path | None) -> "AdaptationConfig":
    from ttt_ros.control.parameter_file import load_parameter_file
    from ttt_ros.control.shipped_configuration import shipped_configuration

    return load_parameter_file(parameters or shipped_configuration("policy_node.yaml")).session.adaptation


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
