"""Commands that break the system on purpose, and set the limits of the safeguard."""

from pathlib import Path
from typing import Annotated

import typer

from ttt_ros.cli.application import FAILED, app, console


@app.command()
def faults(
    out: Annotated[Path, typer.Option(help="Folder for records, table and page; a broken-off suite goes on there.")] = Path("out/faults"),
    trials: Annotated[int, typer.Option(help="Of each fault.", min=1)] = 20,
    only: Annotated[list[str] | None, typer.Option(help="Run this fault alone; may be given several times.")] = None,
    without: Annotated[str, typer.Option(help="Fault whose protection is switched off; its trials must then fail.")] = "",
    prove: Annotated[bool, typer.Option(help="Switch the protection of each fault off in turn, with one trial of it.")] = False,
) -> None:
    """Break the running system in every way of the catalogue and measure what it does about it. Needs ROS."""
    from ttt_ros.evaluation.faults.report import write_report
    from ttt_ros.nodes.faults.suite import prove_protections, run_faults

    if prove:
        proofs = prove_protections(only or (), out=out, console=console)
        for record in proofs:
            console.print(f"{'[red]FAIL[/red] held all the same' if record.held else '[green]ok  [/green] fails'}: {record.name}")
        raise typer.Exit(FAILED if any(record.held for record in proofs) else 0)
    records = run_faults(only or (), trials=trials, without=without, out=out, console=console)
    if without:
        console.print(f"without its protection {without} {'held all the same' if records[0].held else 'fails, as it must'}")
        raise typer.Exit(0 if records[0].held else FAILED)
    checks = write_report(records, out)
    for check in checks:
        mark = "[green]ok  [/green]" if check.passed else "[red]FAIL[/red]"
        console.print(f"{mark} {check.name}: {check.figure} (limit: {check.limit})", highlight=False)
    console.print(f"{out / 'report.html'}")
    raise typer.Exit(0 if all(check.passed for check in checks) else FAILED)
