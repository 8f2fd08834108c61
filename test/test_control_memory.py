"""The control loop: what the policy remembers of the transitions that were completed."""

from dataclasses import replace

import pytest
import torch
from control_session import Bench
from small_policy import SmallPolicy

from ttt_ros.adaptation.configuration import AdaptationConfig
from ttt_ros.adaptation.plausibility import Plausibility
from ttt_ros.adaptation.versions import Version
from ttt_ros.policies.protocol import Reconstruction
from ttt_ros.policies.transition import FastWeights, Memory, Transitions
from ttt_ros.safeguard.ladder import Mode


class _RememberingPolicy(SmallPolicy):
    """Counts what it remembers; predicts every outcome exactly, but while it is ``surprised``."""

    surprised = False

    def begin(self) -> Memory:
        return {"count": torch.zeros(1)}

    def remember(self, memory: Memory, transitions: Transitions) -> Memory:
        return {"count": memory["count"] + 1}

    def reconstruct(self, transitions: Transitions, fast: FastWeights) -> dict[str, Reconstruction]:
        predicted = self._adapted(transitions.features["state"], fast)
        return {"features": Reconstruction(prediction=predicted, target=predicted.detach() + 100.0 * self.surprised)}


GATED = AdaptationConfig(objectives={"features": 1.0}, innovation_factor=4.0)


def remembered(bench: Bench) -> int:
    return int(bench.session.loop._memory["count"])


def bench_with_a_memory(adaptation: AdaptationConfig = GATED) -> tuple[Bench, _RememberingPolicy]:
    """A bench whose policy has remembered something."""
    policy = _RememberingPolicy()
    bench = Bench(policy, adaptation=adaptation)
    bench.run(30)
    assert remembered(bench) > 5
    return bench, policy


def test_what_is_implausible_is_not_remembered_and_the_loop_goes_on() -> None:
    bench, policy = bench_with_a_memory()
    count, chunks = remembered(bench), len(bench.chunks)
    policy.surprised = True
    assert bench.run(12)[-1].mode == Mode.ADAPTING
    assert len(bench.chunks) > chunks + 3
    assert remembered(bench) == count
    policy.surprised = False
    bench.run(12)
    assert remembered(bench) > count


def test_until_the_gate_has_warmed_up_the_prior_judges_the_first_transition_included() -> None:
    policy = _RememberingPolicy()
    policy.surprised = True
    bench = Bench(policy, adaptation=replace(GATED, innovation_warmup=32))
    bench.run(12)
    assert len(bench.chunks) > 3
    assert remembered(bench) == 0


@pytest.mark.parametrize(("factor", "enabled"), [(0.0, True), (4.0, False)])
def test_without_an_innovation_gate_or_adaptation_everything_is_remembered(factor: float, enabled: bool) -> None:
    bench, policy = bench_with_a_memory(replace(GATED, innovation_factor=factor))
    bench.session.enabled = enabled
    policy.surprised = True
    bench.chunks.clear()
    count = remembered(bench)
    bench.run(20)
    assert remembered(bench) == count + len(bench.chunks)


def test_what_cannot_be_judged_is_not_remembered_and_the_robot_moves_on(monkeypatch: pytest.MonkeyPatch) -> None:
    bench, _ = bench_with_a_memory()
    count = remembered(bench)

    def broken(*arguments: object) -> None:
        raise RuntimeError("no such objective")

    monkeypatch.setattr(_RememberingPolicy, "reconstruct", broken)
    assert bench.run(12)[-1].mode == Mode.ADAPTING
    assert remembered(bench) == count


def test_a_transition_is_judged_by_the_version_that_was_in_force_when_it_was_completed(monkeypatch: pytest.MonkeyPatch) -> None:
    judged_by: list[int] = []

    def judge(_: Plausibility, __: Transitions, version: Version, *, epoch: int, config: AdaptationConfig) -> bool:
        judged_by.append(version.number)
        return True

    monkeypatch.setattr(Plausibility, "judge", judge)
    bench, _ = bench_with_a_memory()
    assert judged_by == [chunk.version for chunk in bench.chunks[1:]]
    assert judged_by[-1] > 0


def test_where_the_joints_are_afterwards_decides_what_is_remembered() -> None:
    bench, _ = bench_with_a_memory(AdaptationConfig(objectives={"features": 1.0}, following_limit=6.3))
    bench.stands = 90.0
    count, chunks = remembered(bench), len(bench.chunks)
    while len(bench.chunks) == chunks:
        bench.run(1)
    assert remembered(bench) == count
