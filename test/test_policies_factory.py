"""Policies from the built-in loader or from a function named by the user."""

from pathlib import Path

import pytest
from small_policy import SmallPolicy

from ttt_ros.errors import CheckpointError, ConfigurationError
from ttt_ros.policies.factory import create_policy
from ttt_ros.policies.protocol import Policy
from ttt_ros.policies.shipped import REACTIVE_POLICY


def create(path: Path, device: str) -> Policy:
    """A factory as a user would write one."""
    assert device == "cpu"
    return SmallPolicy(seed=int(path.stem))


def test_without_a_factory_the_checkpoint_is_loaded() -> None:
    assert create_policy(REACTIVE_POLICY, device="cpu").specification.horizon == 16
    with pytest.raises(CheckpointError, match="no checkpoint"):
        create_policy(Path("missing.safetensors"), device="cpu")


def test_a_factory_gets_path_and_device_and_its_policy_is_returned() -> None:
    policy = create_policy(Path("7.weights"), device="cpu", factory="test_policies_factory:create")
    assert policy.checksum == SmallPolicy(seed=7).checksum


@pytest.mark.parametrize("factory", ["no_such_module:create", "test_policies_factory:no_such_function", "test_policies_factory", ":create"])
def test_a_factory_that_cannot_be_imported_is_refused_with_what_to_write(factory: str) -> None:
    with pytest.raises(ConfigurationError, match="module:function"):
        create_policy(Path("x"), device="cpu", factory=factory)
