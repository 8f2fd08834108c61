"""The demonstration: the frozen and the adapting policy in closed loop over DDS, each node in a process of its own."""

import os
import platform
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import rclpy
import torch
from ament_index_python.packages import get_package_share_directory
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from ttt_ros.errors import ConfigurationError, TttRosError
from ttt_ros.evaluation import run_record
from ttt_ros.evaluation.demo_report import DemoReport, Environment, Limits, judged
from ttt_ros.evaluation.report import write_report
from ttt_ros.nodes.bring_up import BRING_UP_TIMEOUT, BringUpError
from ttt_ros.nodes.director import Director
from ttt_ros.nodes.processes import NodeProcess
from ttt_ros.nodes.run_observer import RunObserver
from ttt_ros.policies.checkpoint import read_header
from ttt_ros.policies.shipped import SHIPPED_POLICY
from ttt_ros.simulation.goals import goal_sequence
from ttt_ros.simulation.tasks import POINT_TOLERANCE, POINTING_TASKS, REST, phrasings

SETTLE_TIME = 1.0  # s after the last goal, so that the last window is reported
GOAL_TIME = 4.0  # s until a goal is given up; the arm takes less than two
CAMERA = "overhead"

ADAPTATION: dict[run_record.Arm, dict[str, object]] = {"frozen": {"adaptation.learning_rate": 0.0}, "adapting": {}}
"""Parameters of each arm: the frozen one does all the same work, with steps of length zero."""

_LIMITS = {"gradient_clip": "adaptation.clip_norm", "gradient_norm": "adaptation.gradient_limit", "drift": "adaptation.drift_limit"}
"""Parameters of the policy node that the plots show."""

_LIMITS_UNREAD = Limits(distance=POINT_TOLERANCE, gradient_clip=None, gradient_norm=None, drift=None)


@dataclass(frozen=True, kw_only=True)
class DemoConfig:
    """What is shown.

    Attributes:
        goals_before: goals before the shift.
        goals_after: goals after it.
        seed: of the layouts and goals, the same for both arms.
        real_time_factor: simulated over wall seconds.
        policy: checkpoint.
        shift: shift parameters of the simulation node that come in.
        shift_name: the same in a few words.
        shift_description: the same in words.
    """

    goals_before: int = 8
    goals_after: int = 20
    seed: int = 3
    real_time_factor: float = 1.0
    policy: Path = SHIPPED_POLICY
    shift: tuple[tuple[str, object], ...] = (
        ("encoder_offset", [0.15, -0.13, 0.14, 0.1, 0.0, 0.0]),
        ("actuator_gain", [0.88, 1.12, 0.88, 1.1, 1.0, 1.0]),
        ("camera_position", [0.025, -0.03, 0.02]),
        ("camera_rotation", [0.04, -0.04, 0.09]),
    )
    shift_name: str = "encoders, actuators, camera"
    shift_description: str = (
        "the encoders of four joints are off by 0.1 to 0.15 rad, their actuators 10 to 12 % too strong or too weak, and the camera "
        "was bumped by 4 cm and turned by 6 degrees, all of it further than in training"
    )


def run_demo(config: DemoConfig, out: Path, console: Console) -> DemoReport:
    """Runs both arms and writes report, bag and logs into ``out``; an earlier demonstration there is moved aside.

    Raises:
        TttRosError: ``out`` is something else, or the report cannot be written. A run that fails is not an error but a failed check.
    """
    _make_room(out)
    runs = []
    for arm in ADAPTATION:
        with ExitStack() as stack:
            # With NO, Ctrl-C is a KeyboardInterrupt, and the context lives until everything is closed.
            rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
            stack.callback(rclpy.try_shutdown)
            runs.append(_Run(config, arm, out, console).run())
    report = judged(arms=[run.record for run in runs], limits=runs[-1].limits if runs else _LIMITS_UNREAD, environment=_environment())
    write_report(report, out)
    return report


@dataclass(frozen=True, kw_only=True)
class _Result:
    record: run_record.RunRecord
    limits: Limits


class _Run:
    """One arm: starts the processes, leads the run, ends the processes, and writes down what happened."""

    def __init__(self, config: DemoConfig, arm: run_record.Arm, out: Path, console: Console) -> None:
        share = Path(get_package_share_directory("ttt_ros"), "config")
        logs = out / "logs" / arm
        self._config, self._arm, self._out, self._console = config, arm, out, console
        self._processes = {
            "simulation": NodeProcess(
                executable="simulation_node",
                log=logs / "simulation.log",
                parameter_file=share / "simulation_node.yaml",
                parameters={"seed": config.seed, "real_time_factor": config.real_time_factor},
                use_sim_time=False,
            ),
            "safeguard": NodeProcess(executable="safeguard_node", log=logs / "safeguard.log", parameter_file=share / "safeguard_node.yaml"),
            "policy": NodeProcess(
                executable="policy_node",
                log=logs / "policy.log",
                parameter_file=share / "policy_node.yaml",
                parameters={
                    "policy.path": config.policy.absolute(),
                    "adaptation.journal_directory": logs.absolute(),
                    **ADAPTATION[arm],
                },
            ),
            "recorder": NodeProcess(
                executable="recorder_node",
                log=logs / "recorder.log",
                parameters={"path": out / ("bag" if arm == "adapting" else "bag_frozen"), "cameras": [CAMERA]},
            ),
        }
        self._came_up: dict[str, bool] = dict.fromkeys(self._processes, False)
        self._goals: list[run_record.Goal] = []
        self._pictures: list[run_record.Picture] = []
        self._shift: run_record.Shift | None = None
        self._limits = _LIMITS_UNREAD
        self._instructions = 0
        self._updates_due = 0
        self._duration = 0.0

    def run(self) -> _Result:
        """Runs the arm; whatever goes wrong is told and shows in the record. Ctrl-C ends the processes, and then the demonstration."""
        executor = SingleThreadedExecutor()
        director = Director(executor, timeout=BRING_UP_TIMEOUT)
        observer = RunObserver(director, period=read_header(self._config.policy).specification.period)
        try:
            for process in self._processes.values():
                process.start()
            self._bring_up(director)
            self._lead(director, observer)
        except TttRosError as error:
            self._console.print(f"[red]{self._arm}: {error}[/red]")
        finally:
            exit_codes = {name: process.stop() for name, process in self._processes.items()}
            executor.shutdown()
            director.destroy_node()
        return _Result(record=self._written_down(observer, exit_codes), limits=self._limits)

    def _bring_up(self, director: Director) -> None:
        with self._console.status(f"{self._arm}: starting {', '.join(self._processes)}"):
            director.frames((CAMERA,))
            self._came_up["simulation"] = True
            for name in ("safeguard", "policy"):
                director.bring_up(name)
                self._came_up[name] = True
            director.wait_for_node("recorder")
            self._came_up["recorder"] = True
            read = director.parameters("policy", tuple(_LIMITS.values()))
            self._limits = replace(self._limits, **{limit: read[name] for limit, name in _LIMITS.items()})

    def _lead(self, director: Director, observer: RunObserver) -> None:
        config = self._config
        total = config.goals_before + config.goals_after
        sequence = goal_sequence([words for task in POINTING_TASKS for words in phrasings(task)], seed=config.seed)
        moments = {
            config.goals_before - 1: "last goal before the shift",
            config.goals_before: "first goal after it",
            total - 1: "last goal",
        }
        columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(), TextColumn("{task.fields[state]}"))
        with Progress(*columns, console=self._console) as progress:
            task = progress.add_task(f"{self._arm:8}", total=total, state="")

            def on_spin() -> None:
                progress.update(task, completed=len(self._goals), state=self._state(observer))
                self._require_alive()  # simulated time, by which a goal is waited for, ends with the simulation

            observer.begin()
            for index, instruction in zip(range(total), sequence, strict=False):
                if index == config.goals_before:
                    self._bring_shift_in(director, observer)
                self._pursue(index, instruction, director, observer, on_spin)
                if index in moments:
                    self._photograph(director, moments[index])
                self._instruct(REST.instruction, director, observer, on_spin)
                director.rearrange()
            self._duration = observer.elapsed
            director.settle(SETTLE_TIME)

    def _pursue(self, index: int, instruction: str, director: Director, observer: RunObserver, on_spin: Callable[[], None]) -> None:
        """One goal: one chunk, and a verdict where the arm then stands."""
        start = observer.elapsed
        distance = self._instruct(instruction, director, observer, on_spin)
        self._updates_due += distance is not None and observer.permit
        self._goals.append(
            run_record.Goal(
                index=index,
                instruction=instruction,
                start=start,
                end=observer.elapsed,
                succeeded=distance is not None and distance <= POINT_TOLERANCE,
                distance=distance,
            )
        )

    def _instruct(self, instruction: str, director: Director, observer: RunObserver, on_spin: Callable[[], None]) -> float | None:
        self._instructions += 1
        return director.instruct(instruction, observer, timeout=GOAL_TIME, on_spin=on_spin)

    def _bring_shift_in(self, director: Director, observer: RunObserver) -> None:
        config = self._config
        self._shift = run_record.Shift(name=config.shift_name, description=config.shift_description, start=round(observer.elapsed, 1))
        director.shift(dict(config.shift))

    def _photograph(self, director: Director, moment: str) -> None:
        folder = Path("pictures", self._arm)
        (self._out / folder).mkdir(parents=True, exist_ok=True)
        frame = director.frames((CAMERA,))[CAMERA]
        path = folder / f"{CAMERA}_{moment.replace(' ', '_')}.png"
        rgb = np.frombuffer(frame.data, dtype=np.uint8).reshape(frame.height, frame.width, 3)
        cv2.imwrite(str(self._out / path), cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
        self._pictures.append(run_record.Picture(camera=CAMERA, moment=moment, path=str(path)))

    def _require_alive(self) -> None:
        dead = [f"{name} (exit code {process.exit_code})" for name, process in self._processes.items() if process.exit_code is not None]
        if dead:
            raise BringUpError(f"{', '.join(dead)} ended during the run; see {self._out / 'logs' / self._arm}")

    def _state(self, observer: RunObserver) -> str:
        reached = sum(goal.succeeded for goal in self._goals)
        loss = next((f"{each.prediction_loss:.3f}" for each in reversed(observer.windows) if each.prediction_loss is not None), "-")
        version = observer.windows[-1].version if observer.windows else 0
        mode = observer.modes[-1].mode if observer.modes else "-"
        shifted = "shifted" if self._shift else "clean"
        return f"{shifted:7}  mode {mode:8}  goals {reached}/{len(self._goals)}  prediction loss {loss}  version {version}"

    def _written_down(self, observer: RunObserver, exit_codes: dict[str, int]) -> run_record.RunRecord:
        return run_record.RunRecord(
            arm=self._arm,
            seed=self._config.seed,
            duration=self._duration,
            shift=self._shift,
            goals=tuple(self._goals),
            control=observer.control,
            chunks=tuple(observer.chunks),
            underruns=observer.underruns,
            instructions=self._instructions,
            updates_due=self._updates_due,
            windows_attempted=len(observer.windows),
            windows=tuple(observer.windows),
            modes=tuple(observer.modes),
            nodes=tuple(
                run_record.Node(name=name, came_up=self._came_up[name], exit_code=code, shut_down_cleanly=self._came_up[name] and code == 0)
                for name, code in exit_codes.items()
            ),
            pictures=tuple(self._pictures),
        )


def _make_room(out: Path) -> None:
    """Moves an earlier demonstration aside, in place of the one before it.

    Raises:
        ConfigurationError: what is there is no demonstration.
    """
    if not out.exists():
        return
    previous = out.with_name(f"{out.name}.previous")
    for folder in (out, previous):
        if folder.exists() and not (folder / "logs").is_dir():
            raise ConfigurationError(f"{folder} is not empty and holds no demonstration; choose another folder or move it away")
    if previous.exists():
        shutil.rmtree(previous)
    out.rename(previous)


def _environment() -> Environment:
    return Environment(
        python=platform.python_version(),
        torch=torch.__version__,
        ros_distribution=os.environ.get("ROS_DISTRO", "unknown"),
        cores=os.cpu_count() or 1,
    )
