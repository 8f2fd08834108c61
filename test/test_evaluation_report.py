import re
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from synthetic_runs import synthetic_report

from ttt_ros.errors import RecordingError
from ttt_ros.evaluation import plots
from ttt_ros.evaluation.demo_report import DemoReport, Limits, judged
from ttt_ros.evaluation.json_file import read_json
from ttt_ros.evaluation.overview import overview
from ttt_ros.evaluation.report import OVERVIEW, rendered, write_report
from ttt_ros.evaluation.run_record import Control, RunRecord

REFERENCES = {"src", "srcset", "href", "action", "data", "poster"}
PLOTS = {"success", "distance", "prediction_loss", "gradient_norm", "drift", "mode", "latency"}


class Page(HTMLParser):
    """The tags, references and text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.references: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.references += [value or "" for name, value in attrs if name in REFERENCES]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("demo")
    write_report(synthetic_report(directory), directory)
    return directory


@pytest.fixture(scope="module")
def report(folder: Path) -> DemoReport:
    return read_json(folder / "report.json", DemoReport)


@pytest.fixture(scope="module")
def page(folder: Path) -> Page:
    return Page((folder / "report.html").read_text())


def page_without_pictures(report: DemoReport) -> Page:
    return Page(rendered(report, light={}, dark={}, pictures={run.arm: [] for run in report.arms}))


def corner(png: bytes) -> str:
    """The colour of the top left pixel, as #rrggbb."""
    red, green, blue = np.round(255 * imread(BytesIO(png))[0, 0, :3]).astype(int)
    return f"#{red:02x}{green:02x}{blue:02x}"


def empty_run(run: RunRecord) -> RunRecord:
    """The record of a run that never started."""
    return replace(
        run,
        duration=0.0,
        shift=None,
        goals=(),
        control=Control(period=0.02, ticks_due=0, ticks_met=0, deadline_misses=0, lateness=()),
        chunks=(),
        windows=(),
        modes=(),
        nodes=(),
        pictures=(),
    )


def test_the_page_refers_to_nothing_outside_itself(folder: Path, page: Page) -> None:
    html = (folder / "report.html").read_text()
    assert page.references
    assert all(reference.startswith("data:image/png;base64,") for reference in page.references)
    assert not re.search(r"https?:|url\(|@import|//cdn", html)
    assert not {"script", "link", "iframe", "object"} & set(page.tags)


def test_the_page_holds_every_plot_in_light_and_dark_and_every_picture(report: DemoReport, page: Page) -> None:
    pictures = sum(len(run.pictures) for run in report.arms)
    assert len(page.references) == 2 * len(PLOTS) + pictures


def test_verdict_and_checks_come_before_the_summary_and_the_summary_before_the_plots(report: DemoReport, page: Page) -> None:
    positions = [page.text.index(words) for words in (report.verdict, "Checks", "Summary", "Plots", "What the cameras saw", "Environment")]
    assert positions == sorted(positions)


def test_the_page_says_that_one_run_is_no_proof_and_that_the_arms_share_a_seed(page: Page) -> None:
    text = " ".join(page.text.split())
    assert "Both arms ran on seed 7" in text
    assert "One run on one seed is no proof" in text


def test_arms_on_different_seeds_are_called_not_comparable(report: DemoReport) -> None:
    arms = [report.arms[0], replace(report.arms[1], seed=8)]
    page = page_without_pictures(judged(arms=arms, limits=report.limits, environment=report.environment))
    assert "Do not compare them" in page.text
    assert "Both arms ran on seed" not in page.text


def test_every_check_and_every_goal_is_on_the_page(report: DemoReport, page: Page) -> None:
    for check in report.checks:
        assert check.name in page.text
        assert check.figure in page.text
    for goal in report.arms[0].goals:
        assert goal.instruction in page.text


def test_words_from_the_record_cannot_become_markup(report: DemoReport) -> None:
    goal = replace(report.arms[0].goals[0], instruction="<script>alert(1)</script>")
    arms = [replace(run, goals=(goal,)) for run in report.arms]
    page = page_without_pictures(judged(arms=arms, limits=report.limits, environment=report.environment))
    assert "script" not in page.tags
    assert "<script>alert(1)</script>" in page.text


def test_a_run_that_never_started_is_reported_as_failed(tmp_path: Path, report: DemoReport) -> None:
    arms = [empty_run(run) for run in report.arms]
    failed = judged(
        arms=arms, limits=Limits(distance=None, gradient_clip=None, gradient_norm=None, drift=None), environment=report.environment
    )
    write_report(failed, tmp_path)
    text = Page((tmp_path / "report.html").read_text()).text
    assert failed.verdict in text
    assert failed.verdict.startswith("Failed")
    assert "not recorded" in text


def test_a_demonstration_without_any_run_is_reported_as_failed(report: DemoReport) -> None:
    failed = judged(arms=[], limits=report.limits, environment=report.environment)
    assert not failed.passed
    assert "no run recorded" in page_without_pictures(failed).text
    assert set(plots.drawn(runs=[], limits=report.limits, theme=plots.LIGHT)) == PLOTS


def test_every_plot_is_a_picture_with_something_in_it(folder: Path) -> None:
    files = {path.stem: path for path in (folder / "plots").glob("*.png")}
    assert set(files) == PLOTS
    for path in files.values():
        pixels = imread(path)
        assert pixels.shape[1] > 1000
        assert pixels[..., :3].std() > 0.01


def test_the_same_runs_give_the_same_plots(folder: Path, report: DemoReport) -> None:
    written = {path.stem: path.read_bytes() for path in (folder / "plots").glob("*.png")}
    assert written == plots.drawn(runs=report.arms, limits=report.limits, theme=plots.LIGHT)


def test_a_plot_has_the_background_of_its_theme(folder: Path, report: DemoReport) -> None:
    assert {corner(path.read_bytes()) for path in (folder / "plots").glob("*.png")} == {plots.LIGHT.background}
    dark = plots.drawn(runs=report.arms, limits=report.limits, theme=plots.DARK)
    assert {corner(png) for png in dark.values()} == {plots.DARK.background}


def test_the_limits_are_drawn_into_the_plots_they_belong_to(folder: Path, report: DemoReport) -> None:
    unlimited = plots.drawn(
        runs=report.arms, limits=Limits(distance=None, gradient_clip=None, gradient_norm=None, drift=None), theme=plots.LIGHT
    )
    differing = {name for name, png in unlimited.items() if png != (folder / "plots" / f"{name}.png").read_bytes()}
    assert differing == {"distance", "gradient_norm", "drift"}


def test_the_overview_is_written_beside_the_page_and_holds_every_picture(folder: Path, report: DemoReport) -> None:
    written = (folder / OVERVIEW).read_bytes()
    pictures = {run.arm: [(picture, (folder / picture.path).read_bytes()) for picture in run.pictures] for run in report.arms}
    assert written == overview(runs=report.arms, limits=report.limits, pictures=pictures)
    assert written != overview(runs=report.arms, limits=report.limits, pictures={**pictures, "frozen": []})


def test_a_missing_camera_picture_is_refused_but_the_figures_are_kept(tmp_path: Path, report: DemoReport) -> None:
    picture = replace(report.arms[0].pictures[0], path="nowhere.png")
    spoilt = replace(report, arms=(replace(report.arms[0], pictures=(picture,)), report.arms[1]))
    with pytest.raises(RecordingError, match=r"nowhere\.png"):
        write_report(spoilt, tmp_path)
    assert read_json(tmp_path / "report.json", DemoReport) == spoilt


def test_a_camera_picture_that_is_no_png_is_refused(tmp_path: Path, report: DemoReport) -> None:
    (tmp_path / "camera.png").write_bytes(b"GIF89a")
    picture = replace(report.arms[0].pictures[0], path="camera.png")
    spoilt = replace(report, arms=(replace(report.arms[0], pictures=(picture,)), report.arms[1]))
    with pytest.raises(RecordingError, match="no PNG"):
        write_report(spoilt, tmp_path)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path, report: DemoReport) -> None:
    (tmp_path / "occupied").write_text("a file, not a folder")
    with pytest.raises(RecordingError, match="cannot write the report"):
        write_report(report, tmp_path / "occupied")
