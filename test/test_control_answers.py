"""The control loop and answers of the policy that are late, wrong or none."""

from collections.abc import Mapping

import numpy as np
import torch
from control_session import Bench
from slow_executor import SlowExecutor
from small_policy import HORIZON, SmallPolicy
from torch import Tensor

from ttt_ros.control.limits import JointLimit
from ttt_ros.policies.transition import NO_MEMORY, FastWeights, Features, Memory
from ttt_ros.safeguard.ladder import Mode


class _NanPolicy(SmallPolicy):
    """Answers with NaN while ``broken``."""

    broken = False

    def act(self, features: Features, fast: FastWeights, memory: Memory = NO_MEMORY) -> Tensor:
        actions = super().act(features, fast)
        return torch.full_like(actions, torch.nan) if self.broken else actions


class _RaisingPolicy(SmallPolicy):
    def encode(self, observation: object) -> Mapping[str, Tensor]:
        raise RuntimeError("out of memory")


class _NarrowPolicy(SmallPolicy):
    """Answers for one joint."""

    def act(self, features: Features, fast: FastWeights, memory: Memory = NO_MEMORY) -> Tensor:
        return super().act(features, fast)[..., :1]


class _ForgetfulPolicy(SmallPolicy):
    def remember(self, memory: Memory, transitions: object) -> Memory:
        raise KeyError("tokens")


def test_a_nan_chunk_is_refused_whole_and_the_position_is_kept() -> None:
    policy = _NanPolicy()
    bench = Bench(policy)
    bench.run(10)
    chunks = len(bench.chunks)
    policy.broken = True
    commands = bench.run(HORIZON + 4)
    assert len(bench.chunks) <= chunks + 1  # one may have been under way
    assert all(command.positions is not None and np.isfinite(command.positions).all() for command in commands)
    assert commands[-1].mode == Mode.HOLD
    assert "finite" in commands[-1].reasons[0]
    policy.broken = False
    assert bench.run(6)[-1].mode == Mode.ADAPTING


def test_a_chunk_over_a_joint_limit_is_refused_and_named() -> None:
    bench = Bench(limit=JointLimit(lower=-1e-3, upper=1e-3, max_velocity=1e4, max_step=1e3))
    command = bench.run(10)[-1]
    assert not bench.chunks
    assert (command.mode, command.positions) == (Mode.HOLD, None)
    assert "limit" in command.reasons[0]


def test_a_first_chunk_that_comes_late_is_played_and_not_dropped_for_the_next() -> None:
    bench = Bench()
    bench.session.loop._executor = executor = SlowExecutor()
    bench.run(2)
    executor.waiting.pop()()
    command = bench.run(1)[0]
    assert len(bench.chunks) == 1
    assert bench.session.schedule.remaining + 1 <= 2  # no more steps were left than the next chunk is asked for at
    assert command.positions is not None


def test_an_answer_for_other_joints_than_those_specified_leads_to_hold_with_both_shapes_in_words() -> None:
    commands = Bench(_NarrowPolicy()).run(4)
    assert all(command.positions is None for command in commands)
    assert f"actions of shape (1, {HORIZON}, 1) instead of (1, {HORIZON}, 3)" in commands[-1].reasons[0]


def test_a_policy_that_cannot_remember_goes_on_moving_and_learns_nothing() -> None:
    bench = Bench(_ForgetfulPolicy())
    commands = bench.run(60)
    assert commands[-1].positions is not None
    assert len(bench.chunks) > 4
    assert not bench.reports


def test_a_failing_inference_leads_to_hold_with_the_error_in_words() -> None:
    commands = Bench(_RaisingPolicy()).run(4)
    assert any(command.mode == Mode.HOLD and "out of memory" in command.reasons[0] for command in commands)
    assert all(command.positions is None for command in commands)
