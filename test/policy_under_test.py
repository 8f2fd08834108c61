"""The policy node with the tiny policy on the stand-in robot."""

from pathlib import Path

from example_policies import SPECIFICATION
from robot_stand_in import RobotStandIn
from ros_graph import Graph

from ttt_ros.configuration import load_yaml
from ttt_ros.evaluation.calibration.rules_file import with_limits
from ttt_ros.nodes.policy_node import PolicyNode
from ttt_ros.nodes.safeguard_node import SafeguardNode
from ttt_ros.safeguard.configuration import SafeguardConfig

_SHIPPED_RULES = Path(__file__).parents[1] / "config" / "safeguard.yaml"

_OF_THE_SHIPPED_POLICY = ("gradient_norm", "prediction_loss", "update_norm", "base_deviation", "loss_ratio")
"""Signals whose shipped limits are calibrated to a policy that was trained."""


def untrained_rules(folder: Path) -> Path:
    """A file in ``folder`` with the shipped rules, wide enough for a policy that was never trained."""
    rules = load_yaml(_SHIPPED_RULES, SafeguardConfig).rules
    factors = [50.0 if rule.signal in _OF_THE_SHIPPED_POLICY else 1.0 for rule in rules]
    limits = [(factor * rule.limit, factor * rule.clear_limit) for factor, rule in zip(factors, rules, strict=True)]
    path = folder / "untrained_rules.yaml"
    path.write_text(with_limits(_SHIPPED_RULES.read_text(), limits, heading="For an untrained policy."))
    return path


def policy_parameters(checkpoint: Path, **changes: object) -> dict[str, object]:
    """Parameters of the policy node; ``changes`` by name, with ``__`` for each dot.

    Limits are wide and inference may take long, so that nothing but what a test is about leads to hold.
    """
    joints = len(SPECIFICATION.joint_names)
    parameters: dict[str, object] = {
        "use_sim_time": True,
        "policy.path": str(checkpoint),
        "robot.joint_names": list(SPECIFICATION.joint_names),
        "robot.lower": [-10.0] * joints,
        "robot.upper": [10.0] * joints,
        "robot.max_velocity": [100.0] * joints,
        "robot.max_step": [10.0] * joints,
        "camera.scene.rate": 20.0,
        "camera.wrist.rate": 20.0,
        "control.rate": 1 / SPECIFICATION.period,
        "control.request_at": 1,
        "control.blend_steps": 1,
        "control.max_inference_time": 60.0,
        "control.discovery_time": 0.0,
    }
    return parameters | {name.replace("__", "."): value for name, value in changes.items()}


def start_policy(graph: Graph, robot: RobotStandIn, checkpoint: Path, **changes: object) -> None:
    """Brings the policy node up without a safeguard, which leaves it in mode base, and gives an instruction."""
    graph.start(PolicyNode, policy_parameters(checkpoint, **changes))
    robot.step()
    graph.bring_up("policy")
    robot.instruct()


def start_safeguarded_policy(graph: Graph, robot: RobotStandIn, checkpoint: Path, **changes: object) -> None:
    """Brings safeguard and policy node up and gives an instruction."""
    graph.start(SafeguardNode, {"use_sim_time": True, "rules": str(untrained_rules(checkpoint.parent))})
    graph.start(PolicyNode, policy_parameters(checkpoint, **changes))
    robot.step()
    graph.bring_up("safeguard", "policy")
    robot.instruct()
