"""A whole training run in the simulation: demonstrations, behaviour cloning, closed-loop validation, checkpoint."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from ttt_ros.policies.vla import VisionLanguageActionPolicy
from ttt_ros.simulation.engine import Simulation
from ttt_ros.simulation.tasks import CONTACT_SKILLS, INSTRUCTIONS
from ttt_ros.training.cloning_run import CloningRun
from ttt_ros.training.configuration import TrainingConfig
from ttt_ros.training.demonstration_set import DemonstrationSet
from ttt_ros.training.demonstrations import record_demonstrations
from ttt_ros.training.demonstrator import FRAME_INTERVAL
from ttt_ros.training.desk_arm import SPECIFICATION, VOCABULARY
from ttt_ros.training.rollouts import roll_out_skill
from ttt_ros.training.run_state import as_facts


def train(config: TrainingConfig, output: Path) -> Path:
    """Trains a policy and returns the path of its checkpoint, ``output / "policy.safetensors"``.

    ``output`` also receives the demonstrations, the state of the run and ``log.jsonl``. A run that was broken off goes on from its last
    saved state, and ends at the same weights bit for bit (on a CPU, with the same number of threads).

    Raises:
        CheckpointError, RecordingError: ``output`` holds another run.
    """

    def validate(policy: VisionLanguageActionPolicy) -> Iterator[dict[str, Any]]:
        simulation = Simulation()
        try:
            for skill in CONTACT_SKILLS:
                episodes = config.cloning.validation_episodes
                successes = sum(rollout.success for rollout in roll_out_skill(policy, simulation, skill=skill, episodes=episodes))
                yield {"skill": skill.value, "successes": successes, "episodes": episodes}
        finally:
            simulation.close()

    torch.set_num_threads(config.cloning.threads)
    shards = record_demonstrations(config.demonstrations, output / "demonstrations")
    demonstrations = DemonstrationSet(
        shards,
        instructions=INSTRUCTIONS,
        vocabulary=VOCABULARY,
        instruction_length=SPECIFICATION.max_instruction_words,
        frame_interval=FRAME_INTERVAL,
    )
    torch.manual_seed(config.seed)
    policy = VisionLanguageActionPolicy(config=config.policy, specification=SPECIFICATION, vocabulary=VOCABULARY)
    run = CloningRun(policy, demonstrations, output, config=config.cloning, seed=config.seed, facts=as_facts(config), validate=validate)
    run.go_on()
    return run.export()
