"""Closed-loop rollouts of a policy in the simulation, without ROS."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from ttt_ros.policies.observation import Observation
from ttt_ros.policies.protocol import Policy
from ttt_ros.policies.transition import FastWeights
from ttt_ros.simulation.engine import CAMERAS, CONTROL_PERIOD, Simulation
from ttt_ros.simulation.layout import COLOURS
from ttt_ros.simulation.tasks import Skill, Task, phrasings

VALIDATION_SEED = 1_000_000
"""First layout seed of rollouts; demonstrations stay far below it."""

REPLAN_STEPS = 8
"""Steps of each chunk that are executed before the next one is computed."""

TIME_LIMITS = {Skill.TOUCH: 6.0, Skill.PUSH: 15.0}
"""Seconds after which an episode counts as failed."""


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """How one episode went.

    Attributes:
        task: what was asked for, as the policy read it in ``instruction``.
        instruction: the phrasing.
        seed: of the layout.
        success: whether the task was done in time.
        duration: simulated seconds until success or the limit.
        first_touched: colour of the first cube that the fingers met, None if none.
    """

    task: Task
    instruction: str
    seed: int
    success: bool
    duration: float
    first_touched: str | None


def roll_out(
    policy: Policy, simulation: Simulation, *, task: Task, instruction: str, seed: int, fast: FastWeights | None = None
) -> Rollout:
    """Runs one episode from HOME: a chunk, its first REPLAN_STEPS steps, and again.

    Args:
        policy: with absolute actions in the joint order of the simulation.
        simulation: with the cameras of the policy.
        task: what counts as success.
        instruction: what the policy reads.
        seed: of the layout.
        fast: the fast weights to act with; those of the base policy if not given.
    """
    weights = policy.base_fast_weights() if fast is None else fast
    simulation.reset(seed)
    simulation.start(task)
    limit = math.ceil(TIME_LIMITS[task.skill] / CONTROL_PERIOD)
    step = 0
    while step < limit and not simulation.succeeded():
        with torch.no_grad():
            chunk = policy.act(policy.encode(observe(simulation, instruction)), weights)[0].cpu().double().numpy()
        for positions in chunk[:REPLAN_STEPS]:
            simulation.command(positions)
            simulation.advance(CONTROL_PERIOD)
            step += 1
            if step == limit or simulation.succeeded():
                break
    return Rollout(
        task=task,
        instruction=instruction,
        seed=seed,
        success=simulation.succeeded(),
        duration=simulation.time,
        first_touched=simulation.first_touched(),
    )


def roll_out_skill(
    policy: Policy, simulation: Simulation, *, skill: Skill, episodes: int, first_seed: int = VALIDATION_SEED
) -> Iterator[Rollout]:
    """Runs ``episodes`` layouts one by one, taking colours and phrasings in turn."""
    for number in range(episodes):
        task = Task(skill=skill, colour=COLOURS[number % len(COLOURS)])
        choices = phrasings(task)
        instruction = choices[number // len(COLOURS) % len(choices)]
        yield roll_out(policy, simulation, task=task, instruction=instruction, seed=first_seed + number)


def ask_for_each_cube(policy: Policy, simulation: Simulation, *, seed: int) -> list[Rollout]:
    """Asks for a touch of each cube of one layout in turn: whether the words decide; ignoring them is right once in three at best."""
    tasks = [Task(skill=Skill.TOUCH, colour=colour) for colour in COLOURS]
    return [roll_out(policy, simulation, task=task, instruction=task.instruction, seed=seed) for task in tasks]


def observe(simulation: Simulation, instruction: str) -> Observation:
    """What the robot sees now, on all cameras."""
    return Observation(
        stamp=round(simulation.time * 1e9),
        images={camera: torch.from_numpy(simulation.render(camera).copy()) for camera in CAMERAS},
        joint_positions=torch.from_numpy(simulation.joint_positions()).float(),
        instruction=instruction,
    )
