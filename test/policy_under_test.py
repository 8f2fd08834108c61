"""Parameters with which the policy node runs the tiny policy on the stand-in robot."""

from pathlib import Path

from example_policies import SPECIFICATION


def policy_parameters(checkpoint: Path, **changes: object) -> dict[str, object]:
    """Parameters of the policy node; ``changes`` by name, with ``__`` for each dot.

    Limits are wide and ages generous, so that nothing but what a test is about leads to hold.
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
    }
    return parameters | {name.replace("__", "."): value for name, value in changes.items()}
