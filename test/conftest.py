"""Fixtures of the ROS tests; where ROS is missing nothing here imports it, and the modules that use them skip themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from example_policies import built_in_policy
from hypothesis import settings

from ttt_ros.policies.checkpoint import save_policy

if TYPE_CHECKING:
    from robot_stand_in import RobotStandIn
    from ros_graph import Graph

    from ttt_ros.nodes.processes import NodeProcess

# How long a case takes says how busy the machine is.
settings.register_profile("ttt_ros", deadline=None)
settings.load_profile("ttt_ros")


@pytest.fixture
def ros_domain(monkeypatch: pytest.MonkeyPatch) -> int:
    """A DDS domain of the test's own, for its contexts and for the processes that it starts, with the project's transport."""
    from ros_domains import free_domain

    from ttt_ros.nodes.transport import transport_environment

    domain = free_domain()
    for name, value in {"ROS_DOMAIN_ID": str(domain), **transport_environment()}.items():
        monkeypatch.setenv(name, value)
    return domain


@pytest.fixture
def graph(ros_domain: int) -> Iterator[Graph]:
    """Nodes under test in threads of their own, and a listener."""
    from ros_graph import Graph

    graph = Graph()
    try:
        yield graph
    finally:
        graph.close()


@pytest.fixture
def robot(graph: Graph) -> RobotStandIn:
    """A robot with the joints and cameras of the tiny policy, whose time passes only while the test lets it."""
    from robot_stand_in import RobotStandIn

    return RobotStandIn(graph)


@pytest.fixture
def start_process(ros_domain: int, tmp_path: Path) -> Iterator[Callable[..., NodeProcess]]:
    """Starts a node in a process of its own, named by executable; those that still run at the end are stopped."""
    from ttt_ros.nodes.processes import NodeProcess

    processes: list[NodeProcess] = []

    def start(executable: str, **options: Any) -> NodeProcess:
        process = NodeProcess(executable=executable, log=tmp_path / f"{executable}_{len(processes)}.log", **options)
        processes.append(process)
        process.start()
        return process

    try:
        yield start
    finally:
        for process in processes:
            process.stop()


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny built-in policy of ``example_policies`` on disk."""
    path = tmp_path_factory.mktemp("policy") / "tiny.safetensors"
    save_policy(built_in_policy(), path, training={})
    return path
