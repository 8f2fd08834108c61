"""A session runs and adapts any policy that obeys the protocol, on any device."""

import pytest
import torch
from control_session import Bench
from example_policies import INSTRUCTIONS, adapted_policy, built_in_policy

from ttt_ros.adaptation.configuration import AdaptationConfig
from ttt_ros.policies.protocol import Policy

GENTLE = AdaptationConfig(learning_rate=0.01)


@pytest.mark.parametrize("policy", [built_in_policy(), adapted_policy()], ids=["built-in", "foreign module"])
def test_a_session_acts_and_adapts_with_any_policy(policy: Policy) -> None:
    bench = Bench(policy, adaptation=GENTLE, instruction=INSTRUCTIONS[0])
    bench.run(60)
    assert len(bench.chunks) > 10
    assert any(report.committed for report in bench.reports)
    assert bench.session.store.current.drift_total > 0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_session_acts_and_adapts_on_a_gpu() -> None:
    policy = built_in_policy().to("cuda")
    bench = Bench(policy, adaptation=GENTLE, instruction=INSTRUCTIONS[0])
    bench.run(60)
    assert len(bench.chunks) > 10
    assert any(report.committed for report in bench.reports)
    assert next(iter(bench.session.store.current.weights.values())).is_cuda
