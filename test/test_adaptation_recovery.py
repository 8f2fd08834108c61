"""What a run leaves for the next one when it dies, and when that may be used."""

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from adapting import equal_bits, learner_on, windows
from small_policy import SmallPolicy, stream

from ttt_ros.adaptation import recovery as recovery_module
from ttt_ros.adaptation import snapshot
from ttt_ros.adaptation.configuration import AdaptationConfig
from ttt_ros.adaptation.recovery import Recovery
from ttt_ros.adaptation.versions import VersionStore
from ttt_ros.errors import RecoveryError

POLICY = SmallPolicy()
CONFIG = AdaptationConfig()
DEADLINE = 10.0  # s


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery_module, "PERIOD", 0.0)


@pytest.fixture
def store() -> VersionStore:
    learner = learner_on(POLICY, CONFIG)
    for window in windows(stream(POLICY, 12, shift=1.0)):
        learner.adapt(window, epoch=0)
    assert learner.store.current.number >= 3
    return learner.store


@pytest.fixture
def opened(tmp_path: Path, store: VersionStore) -> Iterator[Callable[..., Recovery]]:
    held: list[Recovery] = []

    def open_folder(*, base_checksum: str = POLICY.checksum, config: AdaptationConfig = CONFIG) -> Recovery:
        held.append(Recovery(tmp_path, base=store.base, base_checksum=base_checksum, config=config))
        return held[-1]

    yield open_folder
    for each in held:
        each.close()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        threading.Event().wait(0.001)


def keep(recovery: Recovery, store: VersionStore, number: int, config: AdaptationConfig = CONFIG) -> None:
    recovery.keep(number, store, config)
    wait_until(lambda: recovery.kept == number)


def crash(recovery: Recovery) -> None:
    """What is left when the process dies: the kernel lets go of the folder, and nobody ends the run."""
    recovery.close()


def test_a_first_run_finds_nothing(opened) -> None:
    assert opened().crash is None


def test_a_run_that_ended_leaves_nothing_to_tell(opened, store: VersionStore, tmp_path: Path) -> None:
    first = opened()
    first.begin()
    assert json.loads((tmp_path / "running.json").read_text())["process"] == os.getpid()
    keep(first, store, 2)
    first.end()
    first.close()
    assert not (tmp_path / "running.json").exists()
    assert opened().crash is None


def test_after_a_crash_the_trusted_version_is_offered_bit_for_bit(opened, store: VersionStore) -> None:
    first = opened()
    first.begin()
    keep(first, store, 2)
    crash(first)
    found = opened().crash
    assert f"process {os.getpid()}" in str(found.run)
    assert (found.version.number, found.refusal) == (2, "")
    assert equal_bits(found.version.weights, store.kept(2).weights)
    assert found.saved


def test_the_offer_stands_after_a_second_crash_without_a_new_version(opened, store: VersionStore) -> None:
    first = opened()
    first.begin()
    keep(first, store, 2)
    crash(first)
    second = opened()
    second.begin()
    crash(second)
    assert opened().crash.version.number == 2


def test_what_a_run_left_that_ended_is_not_offered_after_a_later_crash(opened, store: VersionStore) -> None:
    first = opened()
    first.begin()
    keep(first, store, 2)
    first.end()
    first.close()
    second = opened()
    second.begin()
    crash(second)
    found = opened().crash
    assert found.version is None
    assert "had not got to a version" in found.refusal


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"base_checksum": "f" * 64}, "fast weights fit their own base only"),
        ({"config": replace(CONFIG, learning_rate=0.123)}, f"learning_rate was {CONFIG.learning_rate} and is 0.123"),
        ({"config": replace(CONFIG, drift_limit=1e-6)}, "further from the base than drift_limit"),
    ],
    ids=["base", "configuration", "drift"],
)
def test_weights_that_do_not_fit_are_not_offered(opened, store: VersionStore, changes, reason: str) -> None:
    first = opened()
    first.begin()
    keep(first, store, 2)
    crash(first)
    found = opened(**changes).crash
    assert found.version is None
    assert reason in found.refusal


def test_altered_weights_are_not_offered(opened, store: VersionStore, tmp_path: Path) -> None:
    first = opened()
    first.begin()
    keep(first, store, 2)
    crash(first)
    path = tmp_path / "trusted.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert "was altered" in opened().crash.refusal


@pytest.mark.parametrize("marker", ["{half", '{"process": 1e999, "begun": "", "base_checksum": ""}', "[" * 100_000])
def test_a_marker_that_cannot_be_read_is_a_crash_all_the_same(opened, tmp_path: Path, marker: str) -> None:
    (tmp_path / "running.json").write_text(marker)
    assert "cannot be read" in str(opened().crash.run)


def test_a_version_that_is_no_longer_trusted_is_replaced_or_forgotten(opened, store: VersionStore, tmp_path: Path) -> None:
    recovery = opened()
    recovery.begin()
    keep(recovery, store, 3)
    keep(recovery, store, 1)
    loaded = snapshot.load(tmp_path / "trusted.safetensors", base=store.base, base_checksum=POLICY.checksum, drift_limit=1.0)
    assert loaded.number == 1
    keep(recovery, store, 0)
    assert not (tmp_path / "trusted.safetensors").exists()


def test_a_version_that_has_left_the_ring_is_passed_over(opened, store: VersionStore, tmp_path: Path) -> None:
    recovery = opened()
    recovery.begin()
    recovery.keep(999, store, CONFIG)
    assert recovery.kept == 0
    assert not (tmp_path / "trusted.safetensors").exists()


def test_nothing_is_kept_before_the_run_and_after_it(opened, store: VersionStore, tmp_path: Path) -> None:
    recovery = opened()
    recovery.keep(2, store, CONFIG)
    recovery.begin()
    recovery.end()
    recovery.keep(2, store, CONFIG)
    assert not (tmp_path / "trusted.safetensors").exists()


def test_a_slow_disk_holds_nobody_up_and_gets_one_write_at_a_time(opened, store: VersionStore, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on, save = threading.Semaphore(0), threading.Event(), snapshot.save

    def slow(*arguments: object, **options: object) -> None:
        begun.release()
        assert go_on.wait(DEADLINE)
        save(*arguments, **options)

    monkeypatch.setattr(snapshot, "save", slow)
    recovery = opened()
    recovery.begin()
    for number in (1, 2, 3):  # returns each time, although no write does
        recovery.keep(number, store, CONFIG)
    assert begun.acquire(timeout=DEADLINE)
    assert not begun.acquire(blocking=False)
    started = time.monotonic()
    recovery.end()
    assert time.monotonic() - started < 1.0
    go_on.set()
    wait_until(lambda: recovery.kept == 1)


def test_two_writes_are_seconds_apart(opened, store: VersionStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery_module, "PERIOD", 1000.0)
    recovery = opened()
    recovery.begin()
    keep(recovery, store, 1)
    recovery.keep(2, store, CONFIG)
    assert recovery.kept == 1
    assert not recovery._writing.is_alive()


def test_a_full_disk_is_told_and_the_next_write_is_tried(opened, store: VersionStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object, **_options: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    recovery = opened()
    recovery.begin()
    with monkeypatch.context() as patched:
        patched.setattr(snapshot, "write_tensors", full)
        recovery.keep(2, store, CONFIG)
        wait_until(lambda: "No space left on device" in recovery.failure)
    assert recovery.kept == 0
    keep(recovery, store, 2)
    assert recovery.failure == ""


def test_a_marker_that_cannot_be_written_is_told_and_the_run_goes_on(opened, store: VersionStore, tmp_path: Path) -> None:
    (tmp_path / "running.json.partial").mkdir()
    recovery = opened()
    recovery.begin()
    assert "a crash of it would go unnoticed" in recovery.failure
    keep(recovery, store, 2)


def test_a_second_owner_is_told_who_has_the_folder(opened) -> None:
    opened()
    with pytest.raises(RecoveryError, match=f"process {os.getpid()} uses the recovery folder .*; give each node a folder of its own"):
        opened()


def test_a_folder_that_cannot_be_made_is_refused(store: VersionStore, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RecoveryError, match="cannot be used: Not a directory; give one that can be written"):
        Recovery(tmp_path / "file" / "folder", base=store.base, base_checksum=POLICY.checksum, config=CONFIG)


def test_a_killed_process_leaves_the_marker_and_lets_go_of_the_folder(opened, tmp_path: Path) -> None:
    script = (
        "import pathlib, sys, time\n"
        "from ttt_ros.adaptation.run_folder import RunFolder\n"
        "RunFolder(pathlib.Path(sys.argv[1])).begin(base_checksum='0' * 64)\n"
        "print('begun', flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"begun\n"
        with pytest.raises(RecoveryError, match=f"process {process.pid} uses"):
            opened()
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert opened().crash.run.process == process.pid


def test_an_adopted_version_has_a_new_number_and_epoch_and_can_be_taken_back(store: VersionStore) -> None:
    before, epoch, offered = store.current, store.epoch, store.kept(2)
    adopted = store.adopt(offered)
    assert (adopted.number, store.epoch) == (before.number + 1, epoch + 1)
    assert store.current is adopted
    assert adopted.checksum == offered.checksum
    assert not store.commit(replace(before, number=store.next_number), epoch)
    assert store.rollback() is before
