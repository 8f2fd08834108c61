"""A snapshot comes back exactly, or not at all."""

import hashlib
import json
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from adapting import equal_bits, learner_on, shifted_window, store_of, windows
from safetensors import safe_open
from safetensors.torch import save_file
from small_policy import SmallPolicy, stream

from ttt_ros.adaptation import snapshot
from ttt_ros.adaptation.configuration import AdaptationConfig
from ttt_ros.adaptation.versions import Version
from ttt_ros.errors import CheckpointError
from ttt_ros.policies.checksum import tensor_checksum

POLICY = SmallPolicy()


@pytest.fixture
def version() -> Version:
    learner = learner_on(POLICY, AdaptationConfig(momentum=0.9))
    for window in windows(stream(POLICY, 12, shift=1.0)):
        learner.adapt(window, epoch=0)
    return learner.store.current


@pytest.fixture
def saved(version: Version, tmp_path: Path) -> Path:
    path = tmp_path / "fast.safetensors"
    snapshot.save(version, path, base_checksum=POLICY.checksum)
    return path


def load(path: Path, *, policy: SmallPolicy = POLICY, drift_limit: float = 1.0) -> Version:
    return snapshot.load(path, base=store_of(policy).base, base_checksum=policy.checksum, drift_limit=drift_limit)


def test_a_version_comes_back_bit_for_bit(version: Version, saved: Path):
    loaded = load(saved)
    assert (loaded.number, loaded.checksum) == (version.number, version.checksum)
    assert equal_bits(loaded.weights, version.weights)
    assert equal_bits(loaded.momentum, version.momentum)
    assert loaded.drift_total == pytest.approx(version.drift_total, rel=1e-4)
    assert loaded.drift_per_module == pytest.approx(version.drift_per_module, rel=1e-4)


def test_a_loaded_version_goes_on_as_the_saved_one(version: Version, saved: Path):
    goes_on, starts = (learner_on(POLICY, AdaptationConfig(momentum=0.9)) for _ in range(2))
    assert goes_on.store.commit(version, 0)
    assert starts.store.commit(load(saved), 0)
    window = shifted_window(seed=3)
    assert goes_on.adapt(window, epoch=0).checksum == starts.adapt(window, epoch=0).checksum
    assert starts.store.current.number == version.number + 1


def test_nothing_is_left_beside_the_snapshot(saved: Path):
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def test_saving_again_replaces_the_file(version: Version, saved: Path):
    snapshot.save(replace(version, number=99), saved, base_checksum=POLICY.checksum)
    assert load(saved).number == 99


def test_a_file_that_is_larger_than_fast_weights_are_is_not_read(saved: Path, monkeypatch: pytest.MonkeyPatch):
    size = saved.stat().st_size
    monkeypatch.setattr(snapshot, "_MOST_BYTES", size - 1)
    with pytest.raises(CheckpointError, match=f"has {size} bytes, at most {size - 1} are read"):
        load(saved)


def test_another_base_is_refused(saved: Path):
    with pytest.raises(CheckpointError, match="fast weights fit their own base only"):
        load(saved, policy=SmallPolicy(seed=1))


def test_other_shapes_are_refused(saved: Path):
    base = store_of(SmallPolicy(hidden=32)).base
    with pytest.raises(CheckpointError, match="does not fit the policy's fast weights"):
        snapshot.load(saved, base=base, base_checksum=POLICY.checksum, drift_limit=1.0)


def test_a_missing_tensor_is_refused(version: Version, tmp_path: Path):
    weights = dict(version.weights)
    removed = weights.popitem()[0]
    snapshot.save(replace(version, weights=weights, checksum=tensor_checksum(weights)), tmp_path / "fast", base_checksum=POLICY.checksum)
    with pytest.raises(CheckpointError, match=removed):
        load(tmp_path / "fast")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_refused(version: Version, tmp_path: Path, value: float):
    weights = {name: weight.clone() for name, weight in version.weights.items()}
    weights["blocks.3.mlp.up"][0, 0] = value
    snapshot.save(replace(version, weights=weights, checksum=tensor_checksum(weights)), tmp_path / "fast", base_checksum=POLICY.checksum)
    with pytest.raises(CheckpointError, match=r"not finite in \['blocks.3.mlp.up'\]"):
        load(tmp_path / "fast")


def test_weights_too_far_from_the_base_are_refused(saved: Path):
    with pytest.raises(CheckpointError, match=r"further from the base than drift_limit 0\.001"):
        load(saved, drift_limit=0.001)


@pytest.mark.parametrize("limit", [1e-4, 0.01, 0.3])
def test_weights_at_the_drift_limit_come_back_under_the_same_limit(tmp_path: Path, limit: float):
    learner = learner_on(POLICY, AdaptationConfig(learning_rate=5.0, drift_limit=limit, probe_limit=6.3))
    assert max(learner.adapt(shifted_window(), epoch=0).drift_per_module.values()) == limit
    snapshot.save(learner.store.current, tmp_path / "fast", base_checksum=POLICY.checksum)
    assert load(tmp_path / "fast", drift_limit=limit).checksum == learner.store.current.checksum


def test_an_altered_byte_is_refused(saved: Path):
    raw = bytearray(saved.read_bytes())
    raw[-1] ^= 1
    saved.write_bytes(raw)
    with pytest.raises(CheckpointError, match="its tensors do not have the checksums"):
        load(saved)


@pytest.mark.parametrize("key", ["number", "base_checksum", "weights_checksum", "momentum_checksum"])
def test_an_altered_description_is_refused(saved: Path, key: str):
    raw = saved.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + length])
    header["__metadata__"][key] = "1234"
    altered = json.dumps(header).encode()
    saved.write_bytes(struct.pack("<Q", len(altered)) + altered + raw[8 + length :])
    with pytest.raises(CheckpointError, match="its description does not have the checksum"):
        load(saved)


def test_a_truncated_file_is_refused(saved: Path):
    saved.write_bytes(saved.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="cannot read snapshot"):
        load(saved)


def test_a_foreign_file_is_refused(tmp_path: Path):
    save_file({"weight": torch.zeros(2)}, tmp_path / "foreign")
    with pytest.raises(CheckpointError, match="its format is None"):
        load(tmp_path / "foreign")


def test_a_missing_file_is_refused_in_words(tmp_path: Path):
    with pytest.raises(CheckpointError, match="cannot read snapshot"):
        load(tmp_path / "none")


def test_a_path_that_cannot_be_written_is_refused_in_words(version: Version, tmp_path: Path):
    (tmp_path / "none").write_text("a file where a directory should be")
    with pytest.raises(CheckpointError, match="cannot write snapshot"):
        snapshot.save(version, tmp_path / "none" / "fast", base_checksum=POLICY.checksum)


@pytest.mark.parametrize("missing", ["number", "base_checksum", "weights_checksum", "momentum_checksum"])
def test_a_description_that_lacks_a_fact_is_refused_although_its_seal_fits(saved: Path, missing: str):
    reseal(saved, lambda facts: facts.pop(missing))
    with pytest.raises(CheckpointError, match=r"snapshot .* (altered|adapted from base None|is no number)"):
        load(saved)


@pytest.mark.parametrize("number", ["", "-1", "x", "1" * 5000, "²"])
def test_a_version_that_is_no_number_is_refused(saved: Path, number: str):
    reseal(saved, lambda facts: facts.update(number=number))
    with pytest.raises(CheckpointError, match=r"says that it is version .* which is no number"):
        load(saved)


def reseal(path: Path, change: Callable[[dict[str, str]], object]) -> None:
    """Changes the description and gives it a seal that fits, as anybody can who has read this package."""
    with safe_open(path, framework="pt") as file:
        facts, tensors = dict(file.metadata()), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    del facts["seal"]
    change(facts)
    facts["seal"] = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    save_file(tensors, path, metadata=facts)
