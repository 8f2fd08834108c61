"""The suite from the plan to the page, on a few goals."""

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import torch
from memory_policies import small_memory_policy
from rich.console import Console

from ttt_ros.configuration import load_yaml
from ttt_ros.control.parameter_file import load_parameter_file
from ttt_ros.errors import ConfigurationError
from ttt_ros.evaluation.deployments.conditions import CONDITIONS
from ttt_ros.evaluation.deployments.suite import SHIPPED_SUITE as DEPLOYMENT_SUITE
from ttt_ros.evaluation.deployments.suite import SuiteConfig
from ttt_ros.evaluation.poison import jobs
from ttt_ros.evaluation.poison.analysis import analysed
from ttt_ros.evaluation.poison.attacks import ATTACKS
from ttt_ros.evaluation.poison.defences import ALL_GATES, FROZEN, FROZEN_AGAIN, GUARDED, NO_GATES, defences
from ttt_ros.evaluation.poison.evaluate import evaluate_poison
from ttt_ros.evaluation.poison.patch import PatchConfig, _gradient_norm, _movements, printed_patch
from ttt_ros.evaluation.poison.records import Goal, Header, PoisonRecord, path_of, read_matching, write_record
from ttt_ros.evaluation.poison.suite import SHIPPED_SUITE, PoisonConfig, quick
from ttt_ros.policies.shipped import SHIPPED_POLICY
from ttt_ros.safeguard.configuration import SafeguardConfig

CONFIG_FOLDER = Path(__file__).parent.parent / "config"
SAFEGUARD = load_yaml(CONFIG_FOLDER / "safeguard.yaml", SafeguardConfig)
SUITE = load_yaml(SHIPPED_SUITE, PoisonConfig)
LINES = defences(SUITE.adaptation, checkpoint=SHIPPED_POLICY)


def record(attack: str, defence: str, seed: int, *, met: float, moved: float = 0.0) -> PoisonRecord:
    header = Header(
        attack=attack,
        share=0.5,
        defence=defence,
        policy="policy",
        adaptation=None,
        safeguard="",
        patch="",
        repetition=0,
        condition="training/all",
        seed=seed,
        foreign_seed=seed + 100,
        goals=10,
        probes=2,
    )
    goals = tuple(
        Goal(
            success=index < round(10 * met),
            distance=0.01,
            poisoned=False,
            committed=index % 2 == 0,
            reason="" if index % 2 == 0 else "no 1",
        )
        for index in range(10)
    )
    return PoisonRecord(header=header, goals=goals, actions=((moved, moved),) * 2, base_actions=((0.0, 0.0),) * 2, modes={"adapting": 10})


def synthetic(*, guarded: float) -> list[PoisonRecord]:
    clean = {FROZEN: 0.6, FROZEN_AGAIN: 0.6, NO_GATES: 1.0, "clip_only": 1.0, ALL_GATES: 1.0, GUARDED: 1.0}
    swapped = {FROZEN: 0.5, FROZEN_AGAIN: 0.5, NO_GATES: 0.1, "clip_only": 0.1, ALL_GATES: 0.4, GUARDED: guarded}
    return [
        record(attack, defence, seed, met=met, moved=0.3 if attack == "swap_50" else 0.1)
        for attack, row in (("clean", clean), ("swap_50", swapped))
        for defence, met in row.items()
        for seed in range(6)
    ]


def test_the_shipped_suite_adapts_as_the_node_and_the_deployment_suite():
    node = load_parameter_file(CONFIG_FOLDER / "policy_node.yaml").session.adaptation
    assert SUITE.adaptation == node
    assert load_yaml(DEPLOYMENT_SUITE, SuiteConfig).adaptation == node


def test_the_lines_of_defence_differ_in_what_they_say():
    by_name = {line.arm.name: line.arm.adaptation for line in LINES}
    assert by_name[FROZEN] is None
    assert by_name[NO_GATES].clip_norm > by_name["clip_only"].clip_norm == SUITE.adaptation.clip_norm
    assert by_name[ALL_GATES] == by_name[GUARDED] == SUITE.adaptation
    assert [line.arm.name for line in LINES if line.guarded] == [GUARDED]


def test_unknown_attacks_and_conditions_are_refused():
    with pytest.raises(ConfigurationError, match="the attacks lightning are unknown"):
        replace(SUITE, attacks=("lightning",))
    with pytest.raises(ConfigurationError, match="condition 'rain' is unknown"):
        replace(SUITE, condition="rain")


def test_an_attacked_robot_without_a_clean_run_is_refused():
    with pytest.raises(ConfigurationError, match="clean_seeds is 19 and seeds 20"):
        replace(SUITE, clean_seeds=19)


@pytest.mark.parametrize(("guarded", "holds"), [(0.5, True), (0.4, False)])
def test_no_worse_than_frozen_is_judged_against_the_noise_floor(guarded, holds):
    findings = analysed(synthetic(guarded=guarded), LINES, failures=())
    verdict, gain = findings.verdicts
    assert verdict.holds is holds
    assert gain.holds is True
    assert findings.clean_gain_kept[GUARDED].value == pytest.approx(1.0)


def test_the_figures_are_those_of_the_records():
    clean, swapped = analysed(synthetic(guarded=0.5), LINES, failures=()).attacks
    assert (clean.attack, swapped.attack) == ("clean", "swap_50")
    assert swapped.success[NO_GATES].value == pytest.approx(0.1)
    assert swapped.against_frozen[NO_GATES].value == pytest.approx(-0.4)
    assert swapped.deviation[NO_GATES].value == pytest.approx(0.2)
    assert swapped.from_base[NO_GATES].value == pytest.approx(0.3)
    assert swapped.refused[GUARDED] == 0.5


def test_a_record_is_read_back_only_for_the_same_deployment(tmp_path):
    written = record("clean", FROZEN, 3, met=0.5)
    path = path_of(written.header, tmp_path)
    write_record(path, written)
    assert read_matching(path, written.header) == written
    assert read_matching(path, replace(written.header, policy="another")) is None
    path.write_text("{")
    assert read_matching(path, written.header) is None


def test_the_patch_makes_the_gradient_longer_than_noise_does():
    policy = small_memory_policy()
    config = PatchConfig(side=16, steps=6, goals=2)
    frozen = LINES[0].arm
    patch = printed_patch(policy, frozen, CONDITIONS["training/all"], config, objectives={"action": 1.0})
    assert patch.shape == (16, 16, 3)
    movements = _movements(policy, frozen, CONDITIONS["training/all"], config)
    noise = 255.0 * torch.rand(16, 16, 3, generator=torch.Generator().manual_seed(0))
    found, plain = (_gradient_norm(policy, movements, each, {"action": 1.0}).item() for each in (torch.from_numpy(patch).float(), noise))
    assert found > plain


def test_an_interrupted_suite_goes_on_and_ends_with_a_page_of_its_own(tmp_path, monkeypatch):
    config = replace(quick(SUITE), seeds=1, clean_seeds=2, goals=3, attacks=("swap_50",))
    monkeypatch.setattr("ttt_ros.evaluation.workers.run_locally", lambda work, left, processes: ((job, work(job)) for job in left))
    console = Console(file=StringIO())
    findings = evaluate_poison(config, safeguard=SAFEGUARD, out=tmp_path, processes=1, console=console)
    assert not findings.failures
    assert findings.deployments == 3 * len(LINES)
    assert [each.robots for each in findings.attacks] == [2, 1]
    page = (tmp_path / "poison.html").read_text()
    assert "Streams swapped in 50 %" in page
    assert "http" not in page.replace("http-equiv", "")
    assert json.loads((tmp_path / "poison.json").read_text())["goals"] == 3
    assert [row.split(" | ")[:2] for row in (tmp_path / "table.md").read_text().splitlines()[2:]] == [
        ["| no attack", "2"],
        ["| streams swapped in 50 %", "1"],
    ]
    assert (tmp_path / "poison.png").read_bytes().startswith(b"\x89PNG")

    def refuse(*_):
        raise AssertionError("nothing is left to run")

    monkeypatch.setattr(jobs, "run", refuse)
    assert evaluate_poison(config, safeguard=SAFEGUARD, out=tmp_path, processes=1, console=console) == findings


def test_every_attack_changes_what_a_frozen_policy_remembers_and_none_changes_its_weights():
    patch = np.zeros((24, 24, 3), dtype=np.uint8)
    config = replace(SUITE, seeds=1, clean_seeds=1, goals=3, probes=1)
    planned = jobs.planned(config, LINES, policy=jobs.load_policy(SHIPPED_POLICY).checksum, safeguard=SAFEGUARD, patch=patch)
    assert len(planned) == len(ATTACKS) * len(LINES)
    frozen = [jobs.run(job) for job in planned if job.header.defence == FROZEN and job.header.attack in ("clean", "glitch_50")]
    assert all(each.actions == each.base_actions for each in frozen)
