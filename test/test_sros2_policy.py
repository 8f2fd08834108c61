"""The security policy allows each node what it uses, and nothing more."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
pytest.importorskip("ttt_ros.msg", reason="the messages are not built; run `make build`")

from policy_under_test import policy_parameters
from rclpy.node import Node
from ros_graph import Graph

from ttt_ros.bags.content import types
from ttt_ros.bags.offered_qos import OfferedQos
from ttt_ros.bags.writer import BagWriter
from ttt_ros.nodes import peers
from ttt_ros.nodes.policy_node import PolicyNode
from ttt_ros.nodes.recorder_node import RecorderNode
from ttt_ros.nodes.replay_node import ReplayNode
from ttt_ros.nodes.safeguard_node import SafeguardNode
from ttt_ros.nodes.simulation_node import SimulationNode

pytestmark = pytest.mark.ros

POLICY = Path(__file__).parent.parent / "config" / "sros2" / "policy.xml"
RIGHTS = ("publish", "subscribe", "reply", "request")
NOT_FOR_OPERATORS = {
    *("describe_parameters", "get_parameters", "get_parameter_types", "list_parameters", "set_parameters", "set_parameters_atomically"),
    *("get_available_states", "get_available_transitions", "get_transition_graph", "get_type_description"),
}

Rights = Mapping[str, frozenset[str]]
"""Full names, or patterns of them, by what a node may do with them."""


@dataclass(frozen=True, kw_only=True)
class Profile:
    enclave: str
    node: str
    rights: Rights


def profiles() -> Iterator[Profile]:
    for enclave in ElementTree.parse(POLICY).iter("enclave"):
        for profile in enclave.iter("profile"):
            rights = {right: [] for right in RIGHTS}
            for group in profile:
                ((right, _),) = group.attrib.items()
                rights[right] += [f"/{entry.text.lstrip('/')}" for entry in group]
            yield Profile(
                enclave=enclave.attrib["path"],
                node=profile.attrib["node"],
                rights={right: frozenset(names) for right, names in rights.items()},
            )


PROFILES = {profile.node: profile for profile in profiles()}


def used(observer: Node, name: str) -> Rights:
    """What the node called ``name`` does, as the graph of ROS tells it."""
    asked = (
        observer.get_publisher_names_and_types_by_node,
        observer.get_subscriber_names_and_types_by_node,
        observer.get_service_names_and_types_by_node,
        observer.get_client_names_and_types_by_node,
    )
    return {right: frozenset(topic for topic, _ in ask(name, "/")) for right, ask in zip(RIGHTS, asked, strict=True)}


def together(*rights: Rights) -> Rights:
    return {right: frozenset().union(*(each[right] for each in rights)) for right in RIGHTS}


def assert_fits(name: str, use: Rights) -> None:
    """Checks that all that is used is allowed, and all that is allowed is used."""
    for right, allowed in PROFILES[name].rights.items():
        missing = {topic for topic in use[right] if not any(fnmatchcase(topic, pattern) for pattern in allowed)}
        needless = {pattern for pattern in allowed if not any(fnmatchcase(topic, pattern) for topic in use[right])}
        assert (right, missing, needless) == (right, set(), set())


def test_a_policy_node_uses_what_it_is_allowed(graph: Graph, tiny_checkpoint: Path) -> None:
    uses = []
    for compressed in ("", "/compressed"):
        topics = {f"camera.{name}.topic": f"camera/{name}/image_raw{compressed}" for name in ("scene", "wrist")}
        kinds = {f"camera.{name}.compressed": bool(compressed) for name in ("scene", "wrist")}
        node = graph.start(PolicyNode, policy_parameters(tiny_checkpoint) | topics | kinds)
        graph.bring_up("policy")
        uses.append(used(graph.tester, "policy"))
        graph.stop(node)
    assert_fits("policy", together(*uses))


def test_a_safeguard_uses_what_it_is_allowed(graph: Graph) -> None:
    uses = []
    for compressed in (False, True):
        node = graph.start(SafeguardNode, {"use_sim_time": True, "compressed": compressed})
        graph.bring_up("safeguard")
        uses.append(used(graph.tester, "safeguard"))
        graph.stop(node)
    assert_fits("safeguard", together(*uses))


def test_a_simulation_uses_what_it_is_allowed(graph: Graph) -> None:
    graph.start(SimulationNode, {"cameras": ["overhead"]})
    assert_fits("simulation", used(graph.tester, "simulation"))


def test_a_recorder_uses_what_it_is_allowed(graph: Graph, tmp_path: Path) -> None:
    graph.start(RecorderNode, {"use_sim_time": True, "path": str(tmp_path / "bag")})
    assert_fits("recorder", used(graph.tester, "recorder"))


def test_a_replay_uses_what_it_is_allowed(graph: Graph, tmp_path: Path) -> None:
    topics = {
        "/camera/scene/image_raw": "sensor_msgs/msg/Image",
        "/camera/wrist/image_raw/compressed": "sensor_msgs/msg/CompressedImage",
        "/camera/scene/camera_info": "sensor_msgs/msg/CameraInfo",
        "/joint_states": "sensor_msgs/msg/JointState",
        "/joint_trajectory": "trajectory_msgs/msg/JointTrajectory",
        "/instruction": "std_msgs/msg/String",
    }
    with BagWriter(tmp_path / "bag", message_packages={}) as bag:
        for name, kind in topics.items():
            bag.add_topic(name, kind, qos=OfferedQos(reliable=True, latched=False, depth=1))
        words = types().types["std_msgs/msg/String"](data="touch")
        bag.write("/instruction", 0, bytes(types().serialize_cdr(words, "std_msgs/msg/String")))
    graph.start(ReplayNode, {"bag": str(tmp_path / "bag")})
    assert_fits("replay", used(graph.tester, "replay"))


def test_whoever_asks_a_second_policy_node_uses_what_it_is_allowed(
    graph: Graph, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uses = []

    class Watched(Node):
        def __init__(self, _name: str, **options: Any) -> None:
            super().__init__("policy_asker", **options)  # as a policy node names it

        def destroy_node(self) -> None:
            uses.append(used(self, self.get_name()))
            super().destroy_node()

    monkeypatch.setattr(peers, "Node", Watched)
    graph.start(PolicyNode, policy_parameters(tiny_checkpoint))
    graph.bring_up("policy")
    assert peers.live_publishers(graph.tester, "joint_trajectory", own=0, wait=5.0) == ["/policy"]
    assert_fits("policy_asker", together(*uses))


def test_an_operator_may_call_all_that_the_nodes_offer_but_their_parameters_and_what_only_describes_them() -> None:
    offered = PROFILES["policy"].rights["reply"] | PROFILES["safeguard"].rights["reply"]
    assert PROFILES["operator"].rights["request"] == {service for service in offered if service.rpartition("/")[2] not in NOT_FOR_OPERATORS}


def test_the_policy_alone_commands_and_the_safeguard_alone_permits() -> None:
    def enclaves(topic: str) -> set[str]:
        return {each.enclave for each in PROFILES.values() if any(fnmatchcase(topic, pattern) for pattern in each.rights["publish"])}

    assert enclaves("/joint_trajectory") == {"/ttt_ros/policy"}
    assert enclaves("/safeguard/state") == {"/ttt_ros/safeguard"}
    assert enclaves("/policy/control_status") == {"/ttt_ros/policy"}


def test_what_may_be_called_or_heard_is_offered_or_told_by_somebody() -> None:
    everything = together(*(each.rights for each in PROFILES.values()))
    assert everything["request"] <= everything["reply"]
    assert everything["subscribe"] <= everything["publish"]


def test_the_file_keeps_to_the_format_and_allows_nothing_by_a_pattern_but_cameras() -> None:
    root = ElementTree.parse(POLICY).getroot()
    assert (root.tag, root.attrib) == ("policy", {"version": "0.2.0"})
    kinds = {"topics": ("topic", {"publish", "subscribe"}), "services": ("service", {"reply", "request"})}
    for profile in root.iter("profile"):
        assert profile.attrib.keys() == {"ns", "node"}
        for group in profile:
            tag, rights = kinds[group.tag]
            assert len(group.attrib) == 1
            assert group.attrib.keys() <= rights
            assert set(group.attrib.values()) == {"ALLOW"}
            assert len({entry.text for entry in group}) == len(group)
            assert all(entry.tag == tag for entry in group)
            assert all("*" not in entry.text or entry.text.startswith("camera/*/") for entry in group)


INTRUDER = """
import sys
import rclpy
from rclpy.node import Node
from trajectory_msgs.msg import JointTrajectory
from ttt_ros.msg import SafeguardState
rclpy.init(args=["--ros-args", "--enclave", "/intruder"])
node = Node("recorder")
print("in the graph", flush=True)
if sys.argv[1] == "command":
    node.create_publisher(JointTrajectory, "joint_trajectory", 1)
else:
    node.create_publisher(SafeguardState, "safeguard/state", 1)
print("publishes", flush=True)
"""


def run_intruder(keystore: Path, what: str) -> "subprocess.CompletedProcess[str]":
    secured = {"ROS_SECURITY_KEYSTORE": str(keystore), "ROS_SECURITY_ENABLE": "true", "ROS_SECURITY_STRATEGY": "Enforce"}
    command = [sys.executable, "-c", INTRUDER, what]
    # Elsewhere, because the source tree, which has no messages, would come before the built package.
    return subprocess.run(
        command, env={**os.environ, **secured}, cwd=keystore.parent, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def keystore(ros_domain: int, tmp_path: Path) -> Path:
    """Keys for an intruder who may do what a recorder may; skips where the middleware or the tools know no security."""
    path = tmp_path / "keystore"
    files = ("identity_ca.cert.pem", "cert.pem", "key.pem", "permissions_ca.cert.pem", "governance.p7s", "permissions.p7s")
    (path / "enclaves" / "intruder").mkdir(parents=True)
    for file in files:
        (path / "enclaves" / "intruder" / file).touch()
    refusal = run_intruder(path, "command").stderr
    if "security libraries" in refusal:
        pytest.skip("the middleware is built without security plugins: " + refusal.partition("error creating node: ")[2].partition("\n")[0])
    shutil.rmtree(path)
    ros2 = shutil.which("ros2")
    if ros2 is None or subprocess.run([ros2, "security", "--help"], capture_output=True, check=False).returncode:
        pytest.skip("the tools of sros2, which make keys, are not installed")
    policy = tmp_path / "intruder.xml"
    policy.write_text(POLICY.read_text(encoding="utf-8").replace("/ttt_ros/recorder", "/intruder"), encoding="utf-8")
    for command in (["create_keystore", path], ["create_enclave", path, "/intruder"], ["create_permission", path, "/intruder", policy]):
        subprocess.run([ros2, "security", *map(str, command)], check=True, capture_output=True)
    return path


@pytest.mark.parametrize("what", ["command", "permit"])
def test_a_publisher_without_the_right_to_command_or_to_permit_is_refused(keystore: Path, what: str) -> None:
    intruder = run_intruder(keystore, what)
    assert "in the graph" in intruder.stdout
    assert "publishes" not in intruder.stdout
    assert intruder.returncode != 0
