"""Running jobs in parallel: in processes of this machine, or on a Ray cluster."""

import importlib
import multiprocessing
import signal
import socket
import subprocess
import sys
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any, TypeVar

import torch

from ttt_ros.errors import ConfigurationError, TttRosError

Job = TypeVar("Job")
Result = TypeVar("Result")

RAY_TIMEOUT = 20.0
"""Seconds in which a Ray cluster has to answer."""

_ATTEMPTS = 2
"""Times that a job is begun if the process that runs it dies: the first death may have been another one's fault."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A job that could not be done: ``reason`` in one line, ``details`` for whoever looks into it."""

    reason: str
    details: str = ""


@dataclass(frozen=True, kw_only=True)
class Where:
    """Where jobs run: ``processes`` of this machine, or the Ray cluster at ``ray_address`` if it is given."""

    processes: int
    ray_address: str | None = None

    def run(self, work: Callable[[Job], Result | Failure], jobs: Sequence[Job]) -> Iterator[tuple[Job, Result | Failure]]:
        """Yields each outcome as soon as it is there, see ``run_locally`` and ``run_on_ray``."""
        if self.ray_address:
            return run_on_ray(work, jobs, address=self.ray_address)
        return run_locally(work, jobs, processes=self.processes)


def guarded(work: Callable[[Job], Result], job: Job) -> Result | Failure:
    """Does one job with one torch thread; whatever goes wrong is told and stops nothing else."""
    torch.set_num_threads(1)
    try:
        return work(job)
    except TttRosError as error:
        return Failure(reason=str(error))
    except Exception as error:  # a policy may raise anything, and the other jobs have to go on
        return Failure(reason=f"{type(error).__name__}: {error}", details=traceback.format_exc())


def run_locally(work: Callable[[Job], Result | Failure], jobs: Sequence[Job], *, processes: int) -> Iterator[tuple[Job, Result | Failure]]:
    """Runs each job in one of ``processes`` fresh processes and gives each outcome as soon as it is there.

    A process that dies, killed for memory for example, is replaced; the jobs that were under way begin again once, each alone,
    so that none is blamed for the death of another.
    """
    left = dict(enumerate(jobs))
    begun: Counter[int] = Counter()
    while left:
        suspects = {number: job for number, job in left.items() if begun[number]}
        batch, size = (suspects, 1) if suspects else (left, processes)
        pool = ProcessPoolExecutor(size, multiprocessing.get_context("spawn"), initializer=_prepare_process)
        try:
            for number, outcome in _finished(pool, work, batch, begun, processes=size):
                yield left.pop(number), outcome
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
        for number in [number for number in left if begun[number] >= _ATTEMPTS]:
            job = left.pop(number)
            yield job, Failure(reason="the process that ran it died twice; was it killed for memory?")


def _finished(
    pool: ProcessPoolExecutor, work: Callable[[Job], Result | Failure], jobs: Mapping[int, Job], begun: Counter[int], *, processes: int
) -> Iterator[tuple[int, Result | Failure]]:
    """Outcomes until all jobs are done or the pool breaks. Only as many are under way as can run, so that a break blames few."""
    waiting = deque(jobs.items())
    under_way: dict[Future[Result | Failure], int] = {}
    while waiting or under_way:
        try:
            while waiting and len(under_way) < processes:
                number, job = waiting.popleft()
                under_way[pool.submit(work, job)] = number
                begun[number] += 1
            for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                yield under_way.pop(future), future.result()
        except BrokenProcessPool:
            return


def _prepare_process() -> None:
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C reaches every process; the parent alone has something to say about it


def run_on_ray(
    work: Callable[[Job], Result | Failure], jobs: Sequence[Job], *, address: str, timeout: float = RAY_TIMEOUT
) -> Iterator[tuple[Job, Result | Failure]]:
    """Runs each job as a Ray task of one processor; package, checkpoints and bags must be at the same place on every node.

    Args:
        address: ``host:port``, ``ray://host:port``, ``auto`` for the cluster that runs on this machine, or ``local`` for one of its own.

    Raises:
        ConfigurationError: Ray is not installed, or no cluster answers at ``address`` within ``timeout`` seconds.
    """
    ray = _ray()
    check_ray_answers(address, timeout=timeout)
    ray.init(address=address, log_to_driver=False, logging_level="error")
    try:
        remote = ray.remote(num_cpus=1, max_retries=_ATTEMPTS - 1)(work)
        under_way = {remote.remote(job): job for job in jobs}
        while under_way:
            (done, *_), _ = ray.wait(list(under_way), num_returns=1)
            yield _collected(ray, done, under_way.pop(done))
    finally:
        ray.shutdown()


def check_ray_answers(address: str, *, timeout: float) -> None:
    """Raises ConfigurationError unless a Ray cluster answers at ``address`` within ``timeout`` seconds.

    Ray itself tries for minutes and then ends the process, so another process asks first.
    """
    if address == "local":
        return
    problem = _connection_problem(address, timeout=timeout) or _cluster_problem(address, timeout=timeout)
    if problem:
        raise ConfigurationError(
            f"no Ray cluster answers at '{address}': {problem}; start one with 'ray start --head', correct the address, or leave it out "
            "to use processes of this machine"
        )


def _connection_problem(address: str, *, timeout: float) -> str:
    host, separator, port = address.removeprefix("ray://").rpartition(":")
    if not separator:
        return "" if address == "auto" else "an address is 'host:port', 'ray://host:port', 'auto' or 'local'"
    if not port.isdigit():
        return f"the port '{port}' is not a number"
    try:
        socket.create_connection((host, int(port)), timeout=timeout).close()
    except (OSError, OverflowError) as error:
        return f"{error}"
    return ""


def _cluster_problem(address: str, *, timeout: float) -> str:
    script = "import sys, ray; ray.init(address=sys.argv[1], log_to_driver=False, logging_level='critical')"
    try:
        asked = subprocess.run([sys.executable, "-c", script, address], timeout=timeout, capture_output=True, text=True, check=False)
    except subprocess.TimeoutExpired:
        return f"nothing that speaks Ray within {timeout:g} s"
    lines = asked.stderr.strip().splitlines()
    return "" if asked.returncode == 0 else (lines[-1] if lines else f"asking ended with exit code {asked.returncode}")


def _collected(ray: Any, reference: Any, job: Job) -> tuple[Job, Any]:
    try:
        return job, ray.get(reference)
    except ray.exceptions.RayError as error:
        return job, Failure(reason=f"Ray could not run it: {error}")


def _ray() -> Any:
    try:
        return importlib.import_module("ray")
    except ModuleNotFoundError:
        raise ConfigurationError("Ray is not installed; install the extra 'ray', or leave the address out to use processes") from None
