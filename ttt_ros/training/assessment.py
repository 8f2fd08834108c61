"""How well a policy does in the simulation: the figures of its model card."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ttt_ros.policies.protocol import Policy
from ttt_ros.simulation.engine import Simulation
from ttt_ros.simulation.tasks import CONTACT_SKILLS, Skill
from ttt_ros.training.progress import progress_bar
from ttt_ros.training.rollouts import VALIDATION_SEED, Rollout, ask_for_each_cube, roll_out_skill

_STANDARD_DEVIATIONS = 1.96
"""Half-width of a 95 % interval of a normal distribution."""


@dataclass(frozen=True, kw_only=True)
class Share:
    """How many of some episodes went well, with the Wilson interval of 95 % around the share."""

    count: int
    episodes: int
    share: float
    lower: float
    upper: float


@dataclass(frozen=True, kw_only=True)
class Assessment:
    """The figures of a policy.

    Attributes:
        checksum: of the policy.
        touch: success of touching the named cube.
        push: success of pushing the named cube to the mark.
        language: episodes in which the first cube touched is the named one, each cube of each layout being asked for in turn.
    """

    checksum: str
    touch: Share
    push: Share
    language: Share


def assess(policy: Policy, *, episodes: int, layouts: int, first_seed: int = VALIDATION_SEED) -> Assessment:
    """Runs ``episodes`` of each skill and asks for every cube in ``layouts`` layouts, from ``first_seed`` on."""
    simulation = Simulation()
    try:
        with progress_bar("rollouts", total=len(CONTACT_SKILLS) * episodes + layouts) as advance:
            rollouts: dict[Skill, list[Rollout]] = {skill: [] for skill in CONTACT_SKILLS}
            for skill in CONTACT_SKILLS:
                for rollout in roll_out_skill(policy, simulation, skill=skill, episodes=episodes, first_seed=first_seed):
                    rollouts[skill].append(rollout)
                    advance()
            asked: list[Rollout] = []
            for seed in range(first_seed, first_seed + layouts):
                asked.extend(ask_for_each_cube(policy, simulation, seed=seed))
                advance()
    finally:
        simulation.close()
    return Assessment(
        checksum=policy.checksum,
        touch=_share([rollout.success for rollout in rollouts[Skill.TOUCH]]),
        push=_share([rollout.success for rollout in rollouts[Skill.PUSH]]),
        language=_share([rollout.first_touched == rollout.task.colour for rollout in asked]),
    )


def _share(outcomes: Sequence[bool]) -> Share:
    count, episodes = sum(outcomes), len(outcomes)
    share = count / episodes
    spread = _STANDARD_DEVIATIONS**2 / episodes
    centre = (share + spread / 2) / (1 + spread)
    half = math.sqrt(spread * share * (1 - share) + spread**2 / 4) / (1 + spread)
    return Share(count=count, episodes=episodes, share=share, lower=centre - half, upper=centre + half)
