"""An evaluator must be able to fail: the world is changed on purpose, and the verdict must fail and name the cause."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
import yaml
from deployment_bags import PARAMETERS, STREAMS, World, exchanged, frozen_from, gain, record_deployment
from rich.console import Console

from ttt_ros.evaluation.bags.configuration import ADAPTING, AGAIN, FROZEN, BagArm
from ttt_ros.evaluation.bags.evaluate import Evaluated, evaluate_bags
from ttt_ros.evaluation.workers import Where
from ttt_ros.policies.checkpoint import load_policy, save_policy
from ttt_ros.policies.shipped import SHIPPED_POLICY

GOALS = 14
SEED = 1_600_000
THRESHOLDS = Path(__file__).parent.parent / "config" / "evaluation.yaml"
ARMS = (FROZEN, ADAPTING, AGAIN)


def evaluated(folder: Path, bags: Sequence[Path], *, policy: Path | None = None, arms: Sequence[BagArm] = ARMS) -> Evaluated:
    settings = {
        "parameters": str(PARAMETERS),
        "streams": STREAMS,
        "block_seconds": 3.0,
        "arms": [
            {"name": arm.name, "label": arm.label, "adapts": arm.adapts, "control": arm.control.value, "changes": arm.changes}
            for arm in arms
        ],
    }
    path = folder / "bag.yaml"
    path.write_text(yaml.safe_dump(settings))
    thresholds = yaml.safe_load(THRESHOLDS.read_text()) | {"min_chunks": 10, "min_windows": 10, "min_blocks": 5}
    limits = folder / "limits.yaml"
    limits.write_text(yaml.safe_dump(thresholds))
    return evaluate_bags(
        bags, policy=policy, config=path, thresholds=limits, out=folder / "out", where=Where(processes=2), console=Console(quiet=True)
    )


def causes(found: Evaluated) -> str:
    return "\n".join(line.cause for line in found.verdict.failed)


def bag(folder: Path, world: World | None = None) -> Path:
    return record_deployment(folder / "run", goals=GOALS, seed=SEED, world=world)


def test_a_sound_bag_and_a_sound_policy_pass(tmp_path: Path) -> None:
    found = evaluated(tmp_path, [bag(tmp_path)])
    assert found.verdict.passed, causes(found)
    assert found.verdict.exit_code == 0


@pytest.mark.parametrize(
    ("world", "cause"),
    [
        (World(drives=gain(1.2), condition="nominal"), r"times as far as commanded"),
        (World(names=exchanged(1, 2)), "elbow_flex and shoulder_lift are exchanged"),
        (World(image=frozen_from(120)), r"overhead \(/camera/overhead/image_raw\) gave the same picture"),
        (World(camera_late=100_000_000), "100 ms apart"),
    ],
    ids=["action gain of 1.2", "joint order swapped", "camera frozen", "stamps shifted by 100 ms"],
)
def test_a_world_that_is_wrong_fails_and_its_cause_is_named(tmp_path: Path, world: World, cause: str) -> None:
    found = evaluated(tmp_path, [bag(tmp_path, world)])
    assert found.verdict.exit_code == 1
    assert cause.replace("\\", "") in causes(found)


def test_a_policy_with_random_weights_fails_because_its_chunks_make_no_sense(tmp_path: Path) -> None:
    path = tmp_path / "random.safetensors"
    policy = load_policy(SHIPPED_POLICY)
    torch.manual_seed(0)
    for weight in policy.parameters():
        torch.nn.init.normal_(weight, std=float(weight.detach().std(correction=0)) or 0.1)
    save_policy(policy, path, training={})
    found = evaluated(tmp_path, [bag(tmp_path)], policy=path)
    assert found.verdict.exit_code == 1
    assert "chunks were refused" in causes(found)


@pytest.mark.parametrize(
    ("changes", "cause"),
    [({"learning_rate": 10.0, "ridge": 0.0}, "adapt"), ({"learning_rate": 0.0, "pull_back": 0.0}, "no gain")],
    ids=["a rate 100 times too large", "a zero rate, so that nothing is ever committed that differs"],
)
def test_an_adaptation_that_harms_or_does_nothing_fails_and_says_so(tmp_path: Path, changes: dict[str, float], cause: str) -> None:
    arms = [FROZEN, dataclasses.replace(ADAPTING, changes=changes), AGAIN]
    found = evaluated(tmp_path, [bag(tmp_path)], arms=arms)
    assert found.verdict.exit_code == 1
    assert cause in causes(found)
