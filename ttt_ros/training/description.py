"""Giving a checkpoint for the simulated desk arm the statistics of its features in training, without training it again."""

import tempfile
from pathlib import Path

import torch

from ttt_ros.errors import SpecificationError
from ttt_ros.policies.checkpoint import BuiltIn, CheckpointHeader, load_policy, read_header, save_policy
from ttt_ros.policies.memory.policy import MemoryPolicy
from ttt_ros.policies.vocabulary import Vocabulary
from ttt_ros.simulation.tasks import CONTACT_SKILLS, INSTRUCTIONS, parse
from ttt_ros.training import desk_arm, familiarity
from ttt_ros.training.configuration import DemonstrationConfig
from ttt_ros.training.demonstration_set import DemonstrationSet
from ttt_ros.training.demonstrations import record_demonstrations
from ttt_ros.training.demonstrator import FRAME_INTERVAL
from ttt_ros.training.meta import desk_arm as pointing_desk_arm
from ttt_ros.training.meta import familiarity as meta_familiarity
from ttt_ros.training.meta.configuration import RecordingConfig
from ttt_ros.training.meta.recording import record_deployments

DEPLOYMENTS = RecordingConfig(deployments=100, goals=32, deployments_per_shard=5)
"""The first robots of the training, with its rough expert."""

DEMONSTRATIONS = DemonstrationConfig(episodes=100, episodes_per_shard=10)
"""The first layouts of the training."""


def describe_features(
    policy: Path,
    output: Path,
    *,
    jobs: int = 2,
    deployments: RecordingConfig = DEPLOYMENTS,
    demonstrations: DemonstrationConfig = DEMONSTRATIONS,
) -> CheckpointHeader:
    """Writes the checkpoint ``policy`` to ``output`` with statistics of its features, and returns the new header.

    Everything else stays as it is, the policy's checksum too. The observations are recorded anew, as for the training and from its seeds,
    so that the same command gives the same file.

    Args:
        policy: a checkpoint for the simulated desk arm; it may have statistics already.
        output: may be the same file.
        jobs: processes that record.
        deployments: recorded for a policy that points with one movement.
        demonstrations: recorded for one that looks all the time.

    Raises:
        CheckpointError: ``policy`` cannot be read.
        SpecificationError: it is for another robot.
    """
    torch.set_num_threads(1)
    described, before = load_policy(policy), read_header(policy)
    _check_robot(policy, described)
    with tempfile.TemporaryDirectory() as folder:
        described.statistics = (
            meta_familiarity.statistics_of(described, record_deployments(deployments, Path(folder), jobs=jobs))
            if isinstance(described, MemoryPolicy)
            else familiarity.statistics_of(described, _recorded(demonstrations, Path(folder), described.vocabulary))
        )
    save_policy(described, output, training=before.training)
    return read_header(output)


def _check_robot(path: Path, policy: BuiltIn) -> None:
    expected = pointing_desk_arm.SPECIFICATION if isinstance(policy, MemoryPolicy) else desk_arm.SPECIFICATION
    if policy.specification != expected:
        joints, cameras = policy.specification.joint_names, (camera.name for camera in policy.specification.cameras)
        raise SpecificationError(
            f"{path} is a policy for joints {', '.join(joints)} and cameras {', '.join(cameras)}, not for the simulated desk arm, so what "
            "it sees cannot be recorded here; run its training again in the same folder: that only writes the checkpoint anew, with them"
        )


def _recorded(config: DemonstrationConfig, folder: Path, vocabulary: Vocabulary) -> DemonstrationSet:
    return DemonstrationSet(
        record_demonstrations(config, folder),
        # The words of later skills, which came after these, need not be known to the policy.
        instructions=[text for text in INSTRUCTIONS if parse(text).skill in CONTACT_SKILLS],
        vocabulary=vocabulary,
        instruction_length=desk_arm.SPECIFICATION.max_instruction_words,
        frame_interval=FRAME_INTERVAL,
    )
