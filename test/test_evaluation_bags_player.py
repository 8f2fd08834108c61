"""One arm on one bag, with the code of the policy node on the bag's clock."""

import dataclasses
import threading
from pathlib import Path

import pytest
from deployment_bags import PARAMETERS, STREAMS, World, record_deployment

from ttt_ros.adaptation.journal import read_journal
from ttt_ros.bags.mapping import StreamMapping
from ttt_ros.bags.reader import BagReader
from ttt_ros.control.parameter_file import load_parameter_file
from ttt_ros.errors import ConfigurationError, InstructionError
from ttt_ros.evaluation.bags.configuration import ADAPTING, AGAIN, ARMS, FROZEN, BagArm, BagEvaluationConfig, Control
from ttt_ros.evaluation.bags.player import Row, play
from ttt_ros.evaluation.bags.records import ChunkRow, End, ModeRow, WindowRow
from ttt_ros.policies.checkpoint import load_policy
from ttt_ros.policies.protocol import Policy
from ttt_ros.policies.shipped import SHIPPED_POLICY

GOALS = 4
SESSION = load_parameter_file(PARAMETERS).session


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record_deployment(tmp_path_factory.mktemp("bags") / "run", goals=GOALS, seed=1_600_000)


@pytest.fixture(scope="module")
def policy() -> Policy:
    return load_policy(SHIPPED_POLICY)


def config(**streams: object) -> BagEvaluationConfig:
    return BagEvaluationConfig(parameters=PARAMETERS, streams=StreamMapping(**{**STREAMS, **streams}))


def played(
    bag: Path, policy: Policy, arm: BagArm, *, settings: BagEvaluationConfig | None = None, journal: Path | None = None
) -> tuple[list[Row], End]:
    rows: list[Row] = []
    with BagReader(bag, salvage=True) as reader:
        end = play(reader, policy, arm, session=SESSION, config=settings or config(), on_row=rows.append, journal=journal)
    return rows, end


def of(rows: list[Row], kind: type) -> list:
    return [row for row in rows if isinstance(row, kind)]


@pytest.mark.parametrize("arm", ARMS, ids=lambda arm: arm.name)
def test_every_arm_gives_the_same_record_again_apart_from_the_times(bag: Path, policy: Policy, arm: BagArm) -> None:
    (first, end), (second, again) = (played(bag, policy, arm) for _ in range(2))
    assert [dataclasses.asdict(row) | {"seconds": 0} for row in first] == [dataclasses.asdict(row) | {"seconds": 0} for row in second]
    assert dataclasses.replace(end, seconds=0.0) == dataclasses.replace(again, seconds=0.0)


def test_the_arms_see_the_same_observations_and_differ_in_what_they_learn(bag: Path, policy: Policy) -> None:
    found = {arm.name: played(bag, policy, arm) for arm in ARMS}
    stamps = {name: [row.stamp for row in of(rows, ChunkRow)] for name, (rows, _) in found.items() if name not in ("flipped", "shuffled")}
    assert all(each == stamps["frozen"] for each in stamps.values())
    assert len(stamps["frozen"]) == 2 * GOALS
    outputs = [end.outputs for name, (_, end) in found.items() if name != "reset"]  # the bag is shorter than its interval
    assert len(set(outputs)) == len(outputs)
    assert found["frozen"][1].weights == found["frozen_again"][1].weights == policy_base_checksum(policy)
    assert found["adapting"][1].weights != found["frozen"][1].weights


def policy_base_checksum(policy: Policy) -> str:
    from ttt_ros.policies.checksum import tensor_checksum

    return tensor_checksum(policy.base_fast_weights())


def test_adapting_lowers_loss_and_action_error_on_a_robot_that_is_not_the_nominal_one(bag: Path, policy: Policy) -> None:
    frozen, adapting = (played(bag, policy, arm)[0] for arm in (FROZEN, ADAPTING))

    def last_error(rows: list[Row]) -> float:
        return sum(sum(row.error) for row in of(rows, ChunkRow)[GOALS:] if row.error is not None)

    assert last_error(adapting) < 0.95 * last_error(frozen)
    assert of(adapting, WindowRow)[-1].loss < of(frozen, WindowRow)[-1].loss


def test_the_first_window_of_frozen_and_adapting_predicts_the_same(bag: Path, policy: Policy) -> None:
    frozen, adapting = (of(played(bag, policy, arm)[0], WindowRow)[0] for arm in (FROZEN, ADAPTING))
    assert frozen.loss == pytest.approx(adapting.loss, rel=1e-5)
    assert frozen.stamp == adapting.stamp


def test_in_open_loop_a_bag_without_commands_is_refused_because_no_measurement_says_when_a_movement_began(bag: Path, policy: Policy):
    with pytest.raises(ConfigurationError, match=r"streams\.commands"):
        played(bag, policy, ADAPTING, settings=config(commands=""))


def test_the_journal_of_an_adapting_arm_ends_at_its_weights(bag: Path, policy: Policy, tmp_path: Path) -> None:
    _, end = played(bag, policy, ADAPTING, journal=tmp_path / "journal.jsonl")
    windows = [record for record in read_journal(tmp_path / "journal.jsonl").records if record["kind"] == "window"]
    assert windows[-1]["checksum"] == end.weights
    played(bag, policy, FROZEN, journal=tmp_path / "none.jsonl")
    assert not (tmp_path / "none.jsonl").exists()


def test_weights_restored_in_time_begin_again_at_the_base(bag: Path, policy: Policy) -> None:
    arm = BagArm(name="reset", label="reset", adapts=True, reset_every=0.1)
    windows = of(played(bag, policy, arm)[0], WindowRow)
    frozen = of(played(bag, policy, FROZEN)[0], WindowRow)
    assert [row.loss for row in windows[1:]] == pytest.approx([row.loss for row in frozen[1:]], rel=1e-4)


def test_an_arm_may_change_the_adaptation_and_nothing_that_does_not_exist(bag: Path, policy: Policy) -> None:
    still = BagArm(name="still", label="zero rate", adapts=True, changes={"learning_rate": 0.0, "pull_back": 0.0})
    rows, end = played(bag, policy, still)
    assert end.weights == policy_base_checksum(policy)
    assert all(row.update_norm == 0 for row in of(rows, WindowRow))
    with pytest.raises(ConfigurationError, match="learning_rat'"):
        BagArm(name="x", label="x", adapts=True, changes={"learning_rat": 1.0}).adaptation(SESSION.adaptation)


@pytest.mark.parametrize("control", [Control.SHUFFLED, Control.FLIPPED])
def test_a_control_of_an_arm_that_does_not_adapt_is_refused(control: Control) -> None:
    with pytest.raises(ConfigurationError, match="does not adapt"):
        BagArm(name="x", label="x", control=control)


def test_an_instruction_that_the_policy_cannot_read_is_told_and_holds(tmp_path: Path, policy: Policy) -> None:
    path = record_deployment(tmp_path / "run", goals=1)
    with pytest.raises(InstructionError):
        played(path, policy, FROZEN, settings=config(instruction="", text="juggle the xylophone"))


def test_holds_are_told_with_their_reason(tmp_path: Path, policy: Policy) -> None:
    path = record_deployment(tmp_path / "run", goals=1, world=World(camera_late=300_000_000))
    rows, end = played(path, policy, FROZEN)
    assert end.held > 0.9 * end.ticks
    assert any("old by" in row.reason or "away" in row.reason for row in of(rows, ModeRow))


def test_the_noise_floor_differs_from_frozen_by_the_noise_alone(bag: Path, policy: Policy) -> None:
    frozen, again = (of(played(bag, policy, arm)[0], ChunkRow) for arm in (FROZEN, AGAIN))
    differences = [abs(sum(one.error) - sum(other.error)) for one, other in zip(frozen, again, strict=True) if one.error and other.error]
    assert 0 < max(differences) < 0.05


def test_playing_leaves_no_thread_behind(bag: Path, policy: Policy) -> None:
    before = threading.active_count()
    played(bag, policy, ADAPTING)
    assert threading.active_count() == before
