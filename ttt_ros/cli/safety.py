"""Commands that break the system on purpose, and set the limits of the safeguard."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from ttt_ros.cli.application import FAILED, app, console


@app.command()
def faults(
    out: Annotated[Path, typer.Option(help="Folder for records, table and page; a broken-off suite goes on there.")] = Path("out/faults"),
    trials: Annotated[int, typer.Option(help="Of each fault.", min=1)] = 20,
    only: Annotated[list[str] | None, typer.Option(help="Run this fault alone; may be given several times.")] = None,
    without: Annotated[str, typer.Option(help="Fault whose protection is switched off; its trials must then fail.")] = "",
    prove: Annotated[bool, typer.Option(help="Switch the protection of each fault off in turn, with one trial of it.")] = False,
    alone: Annotated[
        Literal["policy", "safeguard"] | None,
        typer.Option(help="Net that must hold each fault that both can see, with the other's part switched off."),
    ] = None,
) -> None:
    """Break the running system in every way of the catalogue and measure what it does about it. Needs ROS."""
    from ttt_ros.evaluation.faults.records import Net
    from ttt_ros.evaluation.faults.report import write_alone, write_proofs, write_report
    from ttt_ros.nodes.faults.suite import prove_protections, run_alone, run_faults

    if prove:
        checks = write_proofs(prove_protections(only or (), out=out, console=console), out)
        page = out / "proofs.md"
    elif alone:
        net = Net(alone)
        checks = write_alone(net, run_alone(net, only or (), trials=trials, out=out, console=console), out)
        page = out / f"{net.records}.md"
    elif without:
        (record,) = run_faults((), trials=trials, without=without, out=out, console=console)
        console.print(f"without its protection {without} {'was withstood all the same' if record.withstood else 'fails, as it must'}")
        raise typer.Exit(0 if record.withstood else FAILED)
    else:
        checks = write_report(run_faults(only or (), trials=trials, without="", out=out, console=console), out)
        page = out / "report.html"
    for check in checks:
        mark = "[green]ok  [/green]" if check.passed else "[red]FAIL[/red]"
        console.print(f"{mark} {check.name}: {check.figure} (limit: {check.limit})", highlight=False)
    console.print(f"{page}")
    raise typer.Exit(0 if all(check.passed for check in checks) else FAILED)


@app.command()
def poison(
    out: Annotated[Path, typer.Option(help="Folder for records, page and plot; a broken-off suite goes on there.")] = Path("out/poison"),
    suite: Annotated[Path | None, typer.Option(help="YAML of the suite; without it the shipped one.")] = None,
    rules: Annotated[Path | None, typer.Option(help="YAML of the safeguard's rules; without it config/safeguard.yaml.")] = None,
    quick: Annotated[bool, typer.Option(help="A few short deployments, to see that all of it runs.")] = False,
    jobs: Annotated[int, typer.Option(help="Processes on this machine.", min=1)] = 2,
) -> None:
    """Poison the stream that the policy learns from in simulation, and measure what each line of defence is worth."""
    from ttt_ros.configuration import load_yaml
    from ttt_ros.control.shipped_configuration import shipped_configuration
    from ttt_ros.evaluation.poison.evaluate import evaluate_poison
    from ttt_ros.evaluation.poison.suite import SHIPPED_SUITE, PoisonConfig
    from ttt_ros.evaluation.poison.suite import quick as shortened
    from ttt_ros.safeguard.configuration import SafeguardConfig

    config = load_yaml(suite or SHIPPED_SUITE, PoisonConfig)
    safeguard = load_yaml(rules or shipped_configuration("safeguard.yaml"), SafeguardConfig)
    found = evaluate_poison(shortened(config) if quick else config, safeguard=safeguard, out=out, processes=jobs, console=console)
    for verdict in found.verdicts:
        mark = {True: "[green]ok  [/green]", False: "[red]FAIL[/red]", None: "    "}[verdict.holds]
        console.print(f"{mark} {verdict.target}: {verdict.figure}", highlight=False)
    console.print(f"{out / 'poison.html'}")
    judged = [verdict.holds for verdict in found.verdicts if verdict.holds is not None]
    raise typer.Exit(0 if judged and all(judged) and not found.failures else FAILED)


@app.command("calibrate-safeguard")
def calibrate_safeguard(
    bags: Annotated[
        list[Path] | None, typer.Argument(help="Recordings of clean runs, for a configuration that names their topics.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="YAML of the calibration; without it config/calibration.yaml.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for records, proposal, page and plot; a broken-off calibration goes on there.")] = Path(
        "out/calibration"
    ),
    jobs: Annotated[int, typer.Option(help="Processes on this machine.", min=1)] = 2,
) -> None:
    """Propose limits for the safeguard's rules from clean runs, and count the false alarms of the limits in force on others."""
    from ttt_ros.control.shipped_configuration import shipped_configuration
    from ttt_ros.evaluation.calibration.calibrate import PROPOSAL, calibrate
    from ttt_ros.evaluation.calibration.page import verdict

    path = config or shipped_configuration("calibration.yaml")
    findings = calibrate(path, bags or (), out=out, processes=jobs, console=console)
    console.print(f"{verdict(findings)}\n{out / 'report.html'}, {out / PROPOSAL}", highlight=False)
    raise typer.Exit(0 if findings.holds and not findings.failures else FAILED)


@app.command()
def soak(
    out: Annotated[Path, typer.Option(help="Folder for figures, page and plot.")] = Path("out/soak"),
    chunks: Annotated[int, typer.Option(help="After which it ends.", min=1)] = 100_000,
    seed: Annotated[int, typer.Option(help="Of the faults.", min=0)] = 0,
    threaded: Annotated[bool, typer.Option(help="Inference and adaptation in threads of their own, as on a robot.")] = False,
    rules: Annotated[Path | None, typer.Option(help="YAML of the safeguard's rules; without it config/safeguard_reactive.yaml.")] = None,
) -> None:
    """Run the closed loop with random faults as fast as it goes, and check at every chunk what must always hold."""
    from ttt_ros.control.shipped_configuration import shipped_configuration
    from ttt_ros.evaluation.soak.command import run_soak
    from ttt_ros.evaluation.soak.configuration import SoakConfig

    config = SoakConfig(rules=rules or shipped_configuration("safeguard_reactive.yaml"), chunks=chunks, seed=seed, threaded=threaded)
    result = run_soak(config, out)
    console.print(f"{result.verdict}\n{out / 'report.html'}", highlight=False)
    raise typer.Exit(0 if result.passed else FAILED)
