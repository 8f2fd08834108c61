"""Invented records of a deployment suite for tests of its statistics and pages; no figure in here was ever measured."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ttt_ros.adaptation.configuration import AdaptationConfig
from ttt_ros.evaluation.deployments.arms import Arm, Control, Role
from ttt_ros.evaluation.deployments.conditions import CONDITIONS, Group
from ttt_ros.evaluation.deployments.findings import ArmFacts
from ttt_ros.evaluation.deployments.jobs import BEGINNER_GOALS
from ttt_ros.evaluation.deployments.records import DeploymentRecord, GoalOutcome, header_of

STEPS = 80
ADAPTATION = AdaptationConfig(objectives={"action": 1.0}, window=4, minimum_samples=1)

# Role, label, success before anything is known of the robot, success later, seconds per step, bytes of memory.
INVENTED: dict[str, tuple[Role, str, float, float, float, int]] = {
    "adapting": (Role.ADAPTING, "adapting (second order)", 0.30, 0.86, 130e-6, 8_000),
    "oracle": (Role.ORACLE, "oracle", 0.93, 0.93, 80e-6, 132),
    "static": (Role.STATIC, "static, randomised", 0.26, 0.26, 80e-6, 0),
    "nominal": (Role.STATIC, "static, nominal", 0.12, 0.12, 80e-6, 0),
    "repeat": (Role.REPEAT, "static, randomised, again", 0.26, 0.26, 80e-6, 0),
    "window": (Role.WINDOW, "sliding window", 0.28, 0.62, 95e-6, 8_000),
    "lstm": (Role.RECURRENT, "LSTM", 0.28, 0.54, 85e-6, 1_024),
    "full": (Role.FULL_ATTENTION, "full attention", 0.28, 0.88, 120e-6, 40_000),
    "naive": (Role.NAIVE, "naive adaptation", 0.26, 0.35, 125e-6, 0),
    "frozen": (Role.FROZEN, "the same, frozen", 0.28, 0.60, 95e-6, 8_000),
    "first_order": (Role.VARIANT, "first order", 0.29, 0.80, 130e-6, 8_000),
    "reset": (Role.RESET, "restored every 32 goals", 0.30, 0.78, 130e-6, 8_000),
    "shuffled": (Role.SHUFFLED, "shuffled commands", 0.22, 0.20, 130e-6, 8_000),
    "flipped": (Role.FLIPPED, "flipped sign", 0.20, 0.05, 130e-6, 8_000),
}
_HARDER = {Group.NOMINAL: 1.1, Group.TRAINING: 1.0, Group.WIDER: 0.7, Group.UNSEEN: 0.85}


def arms(names: Sequence[str] = tuple(INVENTED)) -> tuple[Arm, ...]:
    """The invented arms."""
    return tuple(_arm(name) for name in names)


def _arm(name: str) -> Arm:
    role, label, *_ = INVENTED[name]
    adapts = role in (Role.ADAPTING, Role.NAIVE, Role.VARIANT, Role.RESET, Role.SHUFFLED, Role.FLIPPED)
    control = {Role.SHUFFLED: Control.SHUFFLED, Role.FLIPPED: Control.FLIPPED}.get(role, Control.NONE)
    return Arm(
        name=name,
        label=label,
        role=role,
        checkpoint=Path("static" if role is Role.REPEAT else name),
        adaptation=ADAPTATION if adapts else None,
        control=control,
        reset_every=32 if role is Role.RESET else None,
        repetition=int(role is Role.REPEAT),
    )


def facts(arms: Sequence[Arm]) -> tuple[ArmFacts, ...]:
    """What the invented arms are."""
    return tuple(
        ArmFacts(
            name=arm.name,
            label=arm.label,
            role=arm.role,
            policy="0" * 64,
            parameters=150_000,
            fast_parameters=3_072 if arm.adaptation else 0,
            training={"minutes": 30},
        )
        for arm in arms
    )


def record(arm: Arm, *, condition: str, seed: int, goals: int, long: bool = False) -> DeploymentRecord:
    """One invented deployment; robots differ in how hard they are, the same for every arm."""
    _, _, early, late, seconds, memory = INVENTED[arm.name]
    hardness = np.random.default_rng([seed, len(condition)]).normal(scale=0.08)
    random = np.random.default_rng([seed, goals, *condition.encode(), *arm.name.encode()])
    learned = 1 - np.exp(-np.arange(goals) / 8)
    chance = np.clip((early + (late - early) * learned) * _HARDER[CONDITIONS[condition].group] + hardness, 0, 1)
    grows = arm.role is Role.FULL_ATTENTION
    outcomes = tuple(
        GoalOutcome(
            success=bool(random.random() < chance[goal]),
            distance=float(random.gamma(2, 0.01)),
            loss=float(random.gamma(2, 0.2)) if arm.adaptation else None,
            loss_after=float(random.gamma(2, 0.1)) if arm.adaptation else None,
            drift=float(0.3 * learned[goal] + 0.02 * random.random()) if arm.adaptation else 0.0,
            committed=bool(arm.adaptation and goal % 9),
            reason="" if goal % 9 or not arm.adaptation else f"the loss {goal}.5 is above 5 times the quantile",
            steps=STEPS,
            encode_seconds=STEPS * 60e-6 * float(random.normal(1, 0.02)),
            act_seconds=STEPS * (seconds - 60e-6) * (1 + 0.004 * goal * grows) * float(random.normal(1, 0.02)),
            remember_seconds=0.0,
            adapt_seconds=0.003 if arm.adaptation else 0.0,
            memory_bytes=memory * (goal + 1) // 64 if grows else memory,
            adaptation_bytes=60_000 if arm.adaptation else 0,
            beginner_seconds_per_step=_cost(arm) if long and goal >= goals - BEGINNER_GOALS else None,
        )
        for goal in range(goals)
    )
    return DeploymentRecord(
        header=header_of(arm, policy="0" * 64, condition=condition, seed=seed, goals=goals, long=long), outcomes=outcomes
    )


def _cost(arm: Arm) -> float:
    return INVENTED[arm.name][4] + (0.003 / STEPS if arm.adaptation else 0.0)


def suite_records(arms: Sequence[Arm], *, seeds: int, goals: int = 64, long_goals: int = 1250) -> list[DeploymentRecord]:
    """Every arm under every condition, and some long runs."""
    short = [record(arm, condition=condition, seed=seed, goals=goals) for arm in arms for condition in CONDITIONS for seed in range(seeds)]
    long = [record(arm, condition="training/all", seed=seed, goals=long_goals, long=True) for arm in arms for seed in range(seeds)]
    return short + (long if long_goals else [])
