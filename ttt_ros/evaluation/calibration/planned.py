"""Which runs a calibration is made of."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TypeAlias

from ttt_ros.configuration import load_yaml
from ttt_ros.control.node_parameters import NodeParameters
from ttt_ros.control.parameter_file import load_parameter_file
from ttt_ros.errors import ConfigurationError, RecordingError
from ttt_ros.evaluation.bags.configuration import BagEvaluationConfig
from ttt_ros.evaluation.bags.jobs import PolicyReference, Setting, name_of
from ttt_ros.evaluation.calibration.configuration import CalibrationConfig
from ttt_ros.evaluation.calibration.recorded import RecordedRun
from ttt_ros.evaluation.calibration.simulated import SimulatedRun
from ttt_ros.evaluation.closed_loop.configuration import ClosedLoopConfig
from ttt_ros.policies.factory import create_policy
from ttt_ros.safeguard.configuration import SafeguardConfig
from ttt_ros.simulation.robots import Robot

Run: TypeAlias = SimulatedRun | RecordedRun


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Runs from which limits are proposed, and those that are held out to judge them."""

    calibration: tuple[Run, ...]
    held_out: tuple[Run, ...]


def planned(config: CalibrationConfig, bags: Sequence[Path]) -> Plan:
    """The runs in simulation and those of ``bags``, of which every second one is held out.

    Raises:
        CheckpointError, ConfigurationError: policy, parameters or rules cannot be loaded, or bags are given and not what is in them.
        RecordingError: a bag is not there, or two have one name.
    """
    parameters = load_parameter_file(config.parameters)
    policy = _reference(parameters)
    simulations = _simulations(config, policy, _digest(config, parameters))
    recorded = _recorded(config, parameters, policy, bags)
    first_held_out = config.calibration_runs
    return Plan(
        calibration=(*simulations[:first_held_out], *recorded[0::2]),
        held_out=(*simulations[first_held_out:], *recorded[1::2]),
    )


def path_of(run: Run, out: Path) -> Path:
    """Where the record of a run lies."""
    if isinstance(run, SimulatedRun):
        return out / "records" / "simulation" / f"{run.loop.seed}.json"
    return out / "records" / "bags" / f"{name_of(run.bag)}.json"


def _simulations(config: CalibrationConfig, policy: PolicyReference, parameters: str) -> tuple[SimulatedRun, ...]:
    return tuple(
        SimulatedRun(
            loop=ClosedLoopConfig(
                parameters=config.parameters,
                rules=config.rules,
                policy=policy.path,
                robot=_robot(config, index),
                seed=config.first_seed + index,
                goals=config.goals,
            ),
            policy=policy,
            parameters=parameters,
        )
        for index in range(config.calibration_runs + config.held_out_runs)
    )


def _robot(config: CalibrationConfig, index: int) -> Robot:
    hidden = config.properties if index % config.nominal_every else ()
    return Robot(seed=config.first_seed + index, properties=hidden)


def _recorded(
    config: CalibrationConfig, parameters: NodeParameters, policy: PolicyReference, bags: Sequence[Path]
) -> tuple[RecordedRun, ...]:
    if not bags:
        return ()
    if config.bags is None:
        raise ConfigurationError("bags are given, but the configuration's 'bags' does not say what their topics mean; name a file for it")
    names = [name_of(bag) for bag in bags]
    twice = sorted({name for name in names if names.count(name) > 1})
    missing = [str(bag) for bag in bags if not bag.exists()]
    if twice or missing:
        raise RecordingError(f"bags: {', '.join(missing) or 'none'} not there, {', '.join(twice) or 'none'} named twice; correct the paths")
    setting = Setting(
        policy=policy, session=parameters.session, config=replace(load_yaml(config.bags, BagEvaluationConfig), parameters=config.parameters)
    )
    rates = {name: camera.rate for name, camera in parameters.cameras.items()}
    decisive = _digest(config, parameters)
    return tuple(RecordedRun(bag=bag, setting=setting, rules=config.rules, camera_rates=rates, decisive=decisive) for bag in bags)


def _reference(parameters: NodeParameters) -> PolicyReference:
    policy = create_policy(parameters.policy_path, device=parameters.policy_device, factory=parameters.policy_factory)
    return PolicyReference(
        path=parameters.policy_path, factory=parameters.policy_factory, device=parameters.policy_device, checksum=policy.checksum
    )


def _digest(config: CalibrationConfig, parameters: NodeParameters) -> str:
    """Of what parameters, timing of the rules and checkpoint decide in a run; of the last also what is no weight, such as statistics."""
    rules = load_yaml(config.rules, SafeguardConfig)
    path = parameters.policy_path  # of a policy.factory it may be a folder, and then the policy's checksum alone tells
    checkpoint = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
    decisive = [asdict(parameters.session), rules.heartbeat_period, rules.permit_validity, rules.startup_grace, checkpoint]
    return hashlib.sha256(json.dumps(decisive, sort_keys=True, default=str).encode()).hexdigest()
