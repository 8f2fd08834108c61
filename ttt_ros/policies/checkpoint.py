"""Policies on disk: one safetensors file with its facts in the header, checked as a whole before anything is used."""

import dataclasses
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import torch
from pydantic import JsonValue
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ttt_ros import configuration
from ttt_ros.errors import CheckpointError, ConfigurationError, SpecificationError
from ttt_ros.policies.bounded_building import at_most
from ttt_ros.policies.checksum import facts_checksum, tensor_checksum
from ttt_ros.policies.familiarity import FeatureStatistics
from ttt_ros.policies.memory.configuration import MemoryConfig
from ttt_ros.policies.memory.policy import MemoryPolicy
from ttt_ros.policies.specification import PolicySpecification
from ttt_ros.policies.tensor_file import parsed_json, write_tensors
from ttt_ros.policies.vla import VisionLanguageActionPolicy, VlaConfig
from ttt_ros.policies.vocabulary import Vocabulary

FORMAT_VERSION = 2

BuiltIn: TypeAlias = VisionLanguageActionPolicy | MemoryPolicy
"""The policies of this package, each with a configuration of its own."""

_KINDS: dict[str, tuple[type[BuiltIn], type[VlaConfig | MemoryConfig]]] = {
    "vision_language_action": (VisionLanguageActionPolicy, VlaConfig),
    "memory": (MemoryPolicy, MemoryConfig),
}

_HEADER_KEY = "ttt_ros"
_SEAL = "seal"
_STATISTICS = "feature_statistics."
_ALLOWANCE = 10_000_000
"""Numbers that a policy may hold beside those in its file, such as the grid of an image."""

_PERIOD_TOLERANCE = 0.01


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class CheckpointHeader:
    """What a checkpoint says about itself.

    Attributes:
        format_version: of the file; only FORMAT_VERSION is read.
        kind: of the policy.
        checksum: SHA-256 over all tensors, the policy's own ``checksum``.
        config: the policy's sizes.
        specification: what the policy expects of the robot.
        vocabulary: the words that it reads.
        training: facts about where the weights come from, for people.
        statistics_checksum: of the feature statistics; empty if the file holds none.
    """

    format_version: int
    kind: str
    checksum: str
    config: dict[str, JsonValue]
    specification: PolicySpecification
    vocabulary: tuple[str, ...]
    training: dict[str, JsonValue]
    statistics_checksum: str = ""


def save_policy(policy: BuiltIn, path: Path, *, training: Mapping[str, JsonValue]) -> None:
    """Writes ``policy`` to ``path``; ``training`` says where its weights come from."""
    tensors, statistics = policy.state_dict(), policy.statistics
    known = {} if statistics is None else {"mean": statistics.mean, "whitening": statistics.whitening}
    header = CheckpointHeader(
        format_version=FORMAT_VERSION,
        kind=next(kind for kind, (built_in, _) in _KINDS.items() if type(policy) is built_in),
        checksum=tensor_checksum(tensors),
        statistics_checksum=tensor_checksum(known) if known else "",
        config=json.loads(json.dumps(dataclasses.asdict(policy.config))),
        specification=policy.specification,
        vocabulary=policy.vocabulary.words,
        training=dict(training),
    )
    tensors = {**tensors, **{_STATISTICS + name: tensor for name, tensor in known.items()}}
    write_tensors(path, tensors, metadata={_HEADER_KEY: json.dumps(sealed(dataclasses.asdict(header)))})


def sealed(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of a header with a checksum over them, and so over the joints, cameras and words that the tensors mean."""
    facts = {name: value for name, value in facts.items() if name != _SEAL}
    return {**facts, _SEAL: facts_checksum(facts)}


def read_header(path: Path) -> CheckpointHeader:
    """Reads what the checkpoint at ``path`` says about itself, without its tensors.

    Raises:
        CheckpointError: the file is missing, is not a checkpoint of this package, is of another format or kind, or its header was altered.
    """
    with _opened(path) as file:
        return _parsed_header(path, file)


def load_policy(path: Path, *, device: str = "cpu") -> BuiltIn:
    """Loads a policy for serving: in evaluation mode, none of its own parameters requiring gradients.

    Raises:
        CheckpointError: as ``read_header``; or altered bytes, missing or unknown tensors, wrong shapes or types, values that are not
            finite; or ``device`` is not there.
    """
    _check_device(device)
    with _opened(path) as file:
        header = _parsed_header(path, file)
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    known = {name.removeprefix(_STATISTICS): tensors.pop(name) for name in list(tensors) if name.startswith(_STATISTICS)}
    # The sizes in the header are anybody's, those of the tensors are bounded by the file.
    with at_most(_ALLOWANCE + 2 * sum(tensor.numel() for tensor in tensors.values())):
        policy = _built(path, header)
    _check_tensors(path, tensors, expected=policy.state_dict())
    if tensor_checksum(tensors) != header.checksum:
        raise CheckpointError(f"{path}: the tensors do not have the checksum that the header states; the file was altered, get it again")
    statistics = _statistics(path, known, header, device)
    policy.load_state_dict(tensors)
    policy.statistics = statistics
    return policy.requires_grad_(False).eval().to(device)


def check_specification(
    specification: PolicySpecification, *, joint_names: Sequence[str], cameras: Collection[str], control_rate: float
) -> None:
    """Checks that a robot with these joints and cameras, controlled at ``control_rate`` Hz, can run the policy.

    Raises:
        SpecificationError: listing every mismatch.
    """
    problems = []
    missing_joints = [name for name in specification.joint_names if name not in joint_names]
    if missing_joints:
        problems.append(f"the robot lacks the joints {', '.join(missing_joints)} (it has: {', '.join(joint_names) or 'none'})")
    missing_cameras = [camera.name for camera in specification.cameras if camera.name not in cameras]
    if missing_cameras:
        problems.append(f"the robot lacks the cameras {', '.join(missing_cameras)} (it has: {', '.join(sorted(cameras)) or 'none'})")
    if not abs(specification.period * control_rate - 1) <= _PERIOD_TOLERANCE:
        problems.append(
            f"the policy plans in steps of {specification.period:.6g} s, which needs a control rate of {1 / specification.period:.6g} Hz, "
            f"not {control_rate:.6g} Hz"
        )
    if problems:
        raise SpecificationError(f"the policy does not fit the robot: {'; '.join(problems)}; mend the configuration or use another policy")


def _check_device(device: str) -> None:
    try:
        kind = torch.device(device).type
    except RuntimeError:
        raise CheckpointError(f"the device '{device}' is unknown; use 'cpu' or 'cuda'") from None
    if kind == "cuda" and not torch.cuda.is_available():
        raise CheckpointError(f"the device '{device}' was asked for, but PyTorch finds no CUDA device; use 'cpu' or install a CUDA build")


def _opened(path: Path) -> Any:
    if not path.is_file():
        raise CheckpointError(f"there is no checkpoint at {path}; check the path or train one")
    try:
        return safe_open(path, framework="pt")
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is not a readable safetensors file ({error}); get it again") from None


def _parsed_header(path: Path, file: Any) -> CheckpointHeader:
    metadata = file.metadata() or {}
    if _HEADER_KEY not in metadata:
        raise CheckpointError(f"{path} is a safetensors file, but not a checkpoint of ttt_ros: its header lacks '{_HEADER_KEY}'")
    values = parsed_json(metadata[_HEADER_KEY], source=path)
    version = values.get("format_version")
    if version != FORMAT_VERSION:
        raise CheckpointError(f"{path} has format version {version!r}, but this release reads {FORMAT_VERSION}; retrain it")
    kind = values.get("kind")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise CheckpointError(f"{path} holds a policy of kind {kind!r:.60}, but this release reads: {', '.join(_KINDS)}")
    if values.pop(_SEAL, None) != sealed(values)[_SEAL]:
        raise CheckpointError(f"{path}: the header does not have the checksum that was written with it; the file was altered, get it again")
    try:
        return configuration.validated(CheckpointHeader, values, source=str(path))
    except ConfigurationError as error:
        raise CheckpointError(f"the header does not fit: {error}") from None


def _built(path: Path, header: CheckpointHeader) -> BuiltIn:
    policy, config = _KINDS[header.kind]
    try:
        sizes: Any = configuration.validated(config, header.config, source=str(path))
        return policy(config=sizes, specification=header.specification, vocabulary=Vocabulary(header.vocabulary))
    except ConfigurationError as error:
        raise CheckpointError(f"the header does not fit: {error}") from None
    except (CheckpointError, SpecificationError) as error:
        raise CheckpointError(f"{path}: {error}") from None
    # Everything: sizes that contradict each other or overflow end in any error of torch, from RuntimeError to AssertionError.
    except Exception as error:
        raise CheckpointError(f"{path}: no policy can have the sizes in the header ({error}); get the file again") from None


def _statistics(path: Path, known: Mapping[str, Tensor], header: CheckpointHeader, device: str) -> FeatureStatistics | None:
    if not known and not header.statistics_checksum:
        return None
    if known.keys() != {"mean", "whitening"} or tensor_checksum(known) != header.statistics_checksum:
        raise CheckpointError(f"{path}: the feature statistics do not have the checksum that the header states; get the file again")
    return FeatureStatistics(mean=known["mean"], whitening=known["whitening"]).to(device)


def _check_tensors(path: Path, tensors: Mapping[str, Tensor], *, expected: Mapping[str, Tensor]) -> None:
    missing, unknown = sorted(expected.keys() - tensors.keys()), sorted(tensors.keys() - expected.keys())
    if missing or unknown:
        raise CheckpointError(f"{path}: missing tensors: {', '.join(missing) or 'none'}; unknown tensors: {', '.join(unknown) or 'none'}")
    for name, tensor in tensors.items():
        wanted = expected[name]
        if tensor.shape != wanted.shape or tensor.dtype != wanted.dtype:
            raise CheckpointError(
                f"{path}: tensor '{name}' is {tensor.dtype} of shape {tuple(tensor.shape)}, not {wanted.dtype} of {tuple(wanted.shape)}"
            )
        if not torch.isfinite(tensor).all():
            raise CheckpointError(f"{path}: tensor '{name}' holds values that are not finite; use another checkpoint")
