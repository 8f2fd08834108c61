"""Beginning a training with the weights of a policy that was trained before."""

from pathlib import Path

from ttt_ros.errors import CheckpointError
from ttt_ros.policies.checkpoint import load_policy
from ttt_ros.policies.vla import VisionLanguageActionPolicy


def begin_with(policy: VisionLanguageActionPolicy, checkpoint: Path) -> str:
    """Gives ``policy`` the weights of ``checkpoint``; what that one lacks, such as a memory, stays as it is.

    Returns:
        The checkpoint's checksum.

    Raises:
        CheckpointError: it cannot be read, or is for another robot, other words, or of other sizes.
    """
    earlier = load_policy(checkpoint)
    weights, own = earlier.state_dict(), policy.state_dict()
    same_robot = earlier.specification == policy.specification and earlier.vocabulary.words == policy.vocabulary.words
    if not same_robot or any(name not in own or weight.shape != own[name].shape for name, weight in weights.items()):
        raise CheckpointError(
            f"the policy at {checkpoint} has another specification, other words or other sizes than the one to be trained; "
            "give both the same 'data' and 'policy', or begin anew"
        )
    policy.load_state_dict(weights, strict=False)
    return earlier.checksum
