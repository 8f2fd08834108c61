"""Deployments in parallel."""

import os
import socket
import time
from pathlib import Path

import pytest
from deployment_work import DYING_SEED, FAILING_SEED, jobs, work

from ttt_ros.errors import ConfigurationError
from ttt_ros.evaluation.workers import Failure, check_ray_answers, run_locally, run_on_ray

pytestmark = pytest.mark.timeout(300)  # fresh processes import everything, which takes long on a busy machine


def outcomes(found):
    """Seeds of what was recorded, and reasons of what failed by seed."""
    pairs = list(found)
    failed = {job.header.seed: outcome.reason for job, outcome in pairs if isinstance(outcome, Failure)}
    done = [outcome.header.seed for _, outcome in pairs if not isinstance(outcome, Failure)]
    assert all(isinstance(outcome, Failure) or outcome.header == job.header for job, outcome in pairs)
    return sorted(done), failed


def test_every_job_comes_back_once_whether_it_fails_or_its_process_dies(tmp_path):
    passing, deadly = DYING_SEED + 1, DYING_SEED + 2
    done, failed = outcomes(run_locally(work, jobs(0, FAILING_SEED, passing, 1, deadly, 2, folder=tmp_path), processes=2))
    assert done == [0, 1, 2, passing]
    assert sorted(failed) == [deadly, FAILING_SEED]
    assert failed[FAILING_SEED] == "it cannot be"
    assert "died twice" in failed[deadly]


def test_nothing_to_do_starts_no_process(tmp_path):
    assert list(run_locally(work, [], processes=1)) == []


@pytest.mark.parametrize(
    ("address", "reason"),
    [("127.0.0.1:1", "refused"), ("127.0.0.1:many", "not a number"), ("somewhere", "an address is")],
)
def test_a_ray_address_that_does_not_answer_is_a_clear_error(address, reason):
    with pytest.raises(ConfigurationError, match=f"no Ray cluster answers at '{address}'.*{reason}.*ray start --head"):
        check_ray_answers(address, timeout=5.0)


def test_a_port_that_accepts_and_stays_silent_is_given_up_in_time():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        started = time.monotonic()
        with pytest.raises(ConfigurationError, match="no Ray cluster answers"):
            check_ray_answers(address, timeout=4.0)
        assert time.monotonic() - started < 10


def test_ray_runs_the_same_jobs(tmp_path, monkeypatch):
    pytest.importorskip("ray", reason="the extra 'ray' is not installed")
    here = Path(__file__).parent  # Ray's processes import the work by its name
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(here), str(here.parent), os.environ.get("PYTHONPATH", "")]))
    done, failed = outcomes(run_on_ray(work, jobs(0, FAILING_SEED, 1, folder=tmp_path), address="local"))
    assert failed == {FAILING_SEED: "it cannot be"}
    assert done == [0, 1]
