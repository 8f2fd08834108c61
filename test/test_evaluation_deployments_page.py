"""The page and the plots of a suite, on invented records."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO

import pytest
import synthetic_deployments as synthetic
from matplotlib.image import imread

from ttt_ros.evaluation.deployments import plots
from ttt_ros.evaluation.deployments.analysis import analysed
from ttt_ros.evaluation.deployments.collected import Collected
from ttt_ros.evaluation.deployments.evaluate import write_findings
from ttt_ros.evaluation.deployments.findings import Findings
from ttt_ros.evaluation.deployments.page import main_columns, rendered
from ttt_ros.evaluation.plots import LIGHT

ARMS = synthetic.arms()
PLOTS = {"success_over_time", "conditions", "cost", "long_run"}


@pytest.fixture(scope="module")
def findings() -> Findings:
    records = [
        synthetic.record(arm, condition=condition, seed=seed, goals=20)
        for arm in ARMS
        for condition in ("training/all", "wider/all", "unseen/fog")
        for seed in range(5)
    ]
    records += [synthetic.record(arm, condition="training/all", seed=0, goals=100, long=True) for arm in ARMS[:3]]
    return analysed(Collected(records, ARMS), synthetic.facts(ARMS), failures=("arm 'x', condition 'y', seed 3: <a reason>",))


@pytest.fixture(scope="module")
def pngs(findings: Findings) -> dict[str, bytes]:
    return plots.drawn(findings, theme=LIGHT)


class Page(HTMLParser):
    """References and text of a page, and what was opened and not closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.references: list[str] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.references += [value or "" for name, value in attrs if name in ("src", "srcset", "href")]
        if tag in ("table", "tr", "td", "th", "details", "figure", "ul", "li"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_needs_no_other_file_and_is_whole(findings, pngs):
    page = Page(rendered(findings, light=pngs, dark=pngs))
    assert len(page.references) == 2 * len(PLOTS)
    assert all(reference.startswith("data:image/png;base64,") for reference in page.references)
    assert page.open == []


def test_the_page_tells_every_arm_every_verdict_and_every_failure(findings, pngs):
    text = " ".join(Page(rendered(findings, light=pngs, dark=pngs)).text.split())
    for arm in findings.arms:
        assert arm.label in text
    for verdict in findings.verdicts:
        assert " ".join(verdict.target.split()) in text
        assert verdict.figure in text
    assert "<a reason>" in text
    assert "Noise floor: the static arm “static, randomised” against itself" in text
    assert "None" not in re.sub(r"None of", "", text)
    assert "nan" not in re.findall(r"\b[a-z]+\b", text)


def test_the_headline_counts_the_verdicts(findings, pngs):
    holding = sum(verdict.holds is True for verdict in findings.verdicts)
    judged = sum(verdict.holds is not None for verdict in findings.verdicts)
    assert f"{holding} of {judged} targets hold" in rendered(findings, light=pngs, dark=pngs)


def test_every_plot_is_a_picture_of_more_than_one_colour(pngs):
    assert pngs.keys() == PLOTS
    for png in pngs.values():
        assert imread(BytesIO(png)).reshape(-1, 4).std(axis=0).max() > 0.01


def test_no_two_arms_of_a_plot_look_the_same(findings):
    for roles in (plots._BASELINE_PANEL, plots._CONTROL_PANEL, plots._COST_PANEL):
        looks = plots._looks(findings, roles, among=[arm.name for arm in findings.arms]).values()
        assert len({(look.colour, look.line, look.marker) for look in looks}) == len(looks)


def test_what_was_not_run_is_not_drawn(findings):
    nothing = replace(findings, over_time={}, costs={}, long_runs={}, conditions=())
    assert plots.drawn(nothing, theme=LIGHT) == {}
    assert "could not be judged" in rendered(replace(nothing, verdicts=(replace(findings.verdicts[0], holds=None),)), light={}, dark={})


def test_figures_pictures_and_page_are_written(findings, tmp_path):
    write_findings(findings, tmp_path)
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["verdicts"][0]["target"] == findings.verdicts[0].target
    assert {path.stem for path in (tmp_path / "plots").iterdir()} == PLOTS
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")


def test_the_table_has_a_row_for_every_arm_that_was_run(findings, tmp_path):
    write_findings(findings, tmp_path)
    head, rule, *rows = (tmp_path / "table.md").read_text().splitlines()
    compared = {name for column in main_columns(findings) for name in column.success}
    assert len(rows) == len(compared)
    assert {line.count("|") for line in (head, rule, *rows)} == {len(main_columns(findings)) + 2}


def test_an_arm_with_fewer_runs_than_the_head_says_tells_how_many(findings, tmp_path):
    fewer = replace(findings.conditions[0].success["lstm"], deployments=3)
    condition = replace(findings.conditions[0], success={**findings.conditions[0].success, "lstm": fewer})
    write_findings(replace(findings, conditions=(condition,), groups=()), tmp_path)
    rows = (tmp_path / "table.md").read_text().splitlines()
    assert "(5 runs)" in rows[0]
    assert [row.split("|")[1].strip() for row in rows if "3 runs" in row] == ["LSTM"]
