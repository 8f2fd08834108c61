"""Hands spoiled input to everything that reads input, for as many cases as one likes, and reports what was not refused in words.

    python tools/fuzz.py --cases 1000000 --out out/fuzz

A case is known by its target and number: ``--target NAME --first NUMBER --cases 1`` runs it again.
"""

import argparse
import faulthandler
import json
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from types import FrameType

sys.path.insert(0, str(Path(__file__).parent.parent / "test"))

from fuzz_targets import Target, Targets, refusal_of

NICENESS = 15
LONGEST = 20.0
"""Seconds that a case may take on a busy machine; what takes longer hangs for all that matters."""

MEMORY = 4 << 30
"""Bytes that the process may ask for beyond what it has at the start."""

SHARES: Mapping[str, int] = {
    "raw images": 180,
    "compressed images": 180,
    "joint states": 100,
    "instructions": 60,
    "orders": 100,
    "safeguard readings": 60,
    "assembly": 100,
    "recorded messages": 80,
    "journals": 50,
    "snapshots": 40,
    "checkpoints": 12,
    "parameter files": 12,
    "configurations": 12,
    "mcap bags": 8,
    "sqlite bags": 6,
}
"""Of a thousand cases; what takes milliseconds has fewer."""

_BLOCK = 1000
_REPORT_EVERY = 10.0
_MOST_FINDINGS = 20


@dataclass(kw_only=True)
class Figures:
    """What became of the cases of one target."""

    cases: int = 0
    refused: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    findings: list[dict[str, object]] = field(default_factory=list)
    errors: dict[str, int] = field(default_factory=dict)


class Hang(BaseException):
    """A case takes too long; no handler of errors may catch this."""


def main() -> None:
    """Runs the campaign; the exit code is 1 if there are findings."""
    arguments = _arguments()
    os.nice(NICENESS)
    faulthandler.enable()
    signal.signal(signal.SIGALRM, _hang)
    _limit_memory()
    arguments.out.mkdir(parents=True, exist_ok=True)
    shared_memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared_memory if shared_memory.is_dir() else None) as folder:
        figures = _run(Targets(Path(folder)).by_name, arguments)
    sys.exit(any(each.findings for each in figures.values()))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=1_000_000, help="over all targets")
    parser.add_argument("--first", type=int, default=0, help="number of the first case of each target")
    parser.add_argument("--target", choices=SHARES, help="only this one")
    parser.add_argument("--out", type=Path, default=Path("out/fuzz"), help="folder of fuzz.json, which is kept up to date")
    return parser.parse_args()


def _run(targets: Mapping[str, Target], arguments: argparse.Namespace) -> Mapping[str, Figures]:
    figures = {name: Figures() for name in targets if arguments.target in (None, name)}
    begun = reported = time.monotonic()
    done = 0
    for name, numbers in _schedule(arguments):
        for number in numbers:
            _one(name, targets[name], number, figures[name])
        done += len(numbers)
        if time.monotonic() - reported > _REPORT_EVERY or done >= arguments.cases:
            reported = time.monotonic()
            _report(figures, arguments, done=done, seconds=reported - begun)
    return figures


def _schedule(arguments: argparse.Namespace) -> Iterator[tuple[str, range]]:
    """Blocks of all targets by turns, so that a run that is ended early has tried all of them."""
    following = dict.fromkeys(SHARES, arguments.first)
    left = arguments.cases
    while left > 0:
        for name, share in SHARES.items():
            if arguments.target not in (None, name):
                continue
            count = min(left, _BLOCK if arguments.target else share * _BLOCK // 1000)
            yield name, range(following[name], following[name] + count)
            following[name] += count
            left -= count


def _one(name: str, target: Target, number: int, figures: Figures) -> None:
    start = time.perf_counter()
    signal.setitimer(signal.ITIMER_REAL, LONGEST)
    try:
        refusal = refusal_of(target, Random(f"{name} {number}"))
        figures.refused += refusal is not None
        if refusal == "":
            _found(figures, number, "a refusal without words", "")
    except (Exception, Hang) as error:
        signal.setitimer(signal.ITIMER_REAL, 0)
        place = traceback.extract_tb(error.__traceback__)[-1]
        _found(figures, number, f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}", traceback.format_exc())
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    seconds = time.perf_counter() - start
    figures.cases += 1
    figures.seconds += seconds
    figures.slowest = max(figures.slowest, seconds)


def _found(figures: Figures, number: int, kind: str, trace: str) -> None:
    """One case of each kind is kept whole, the others are counted."""
    if kind not in figures.errors and len(figures.findings) < _MOST_FINDINGS:
        figures.findings.append({"number": number, "kind": kind, "trace": trace})
    figures.errors[kind] = figures.errors.get(kind, 0) + 1


def _report(figures: Mapping[str, Figures], arguments: argparse.Namespace, *, done: int, seconds: float) -> None:
    left = seconds / done * (arguments.cases - done)
    found = sum(sum(each.errors.values()) for each in figures.values())
    print(  # noqa: T201
        f"{done} of {arguments.cases} cases, {done / seconds:.0f} a second, {left / 60:.1f} min left, {found} findings", flush=True
    )
    rates = {name: round(each.cases / each.seconds) if each.seconds else 0 for name, each in figures.items()}
    content = {
        "cases": done,
        "seconds": round(seconds, 1),
        "findings": found,
        "targets": {name: asdict(each) | {"cases_per_second": rates[name]} for name, each in figures.items()},
    }
    aside = arguments.out / "fuzz.json.partial"
    aside.write_text(json.dumps(content, indent=1), encoding="utf-8")
    aside.replace(arguments.out / "fuzz.json")


def _limit_memory() -> None:
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, resource.RLIM_INFINITY))


def _hang(_number: int, _frame: FrameType | None) -> None:
    raise Hang(f"a case took longer than {LONGEST:g} s")


if __name__ == "__main__":
    main()
