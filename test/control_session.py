"""A session on a virtual clock, for tests of the control loop."""

from pathlib import Path

import torch
from small_policy import SmallPolicy

from ttt_ros.adaptation.configuration import AdaptationConfig
from ttt_ros.adaptation.report import WindowReport
from ttt_ros.control.limits import JointLimit, JointLimitsConfig
from ttt_ros.control.loop import Command
from ttt_ros.control.orders import Order
from ttt_ros.control.schedule import Chunk
from ttt_ros.control.session import Session, SessionConfig
from ttt_ros.policies.protocol import Policy
from ttt_ros.safeguard.ladder import LATCHING, Mode

PERIOD = 50_000_000
"""Nanoseconds of one control step of the policies in the tests."""

WIDE = JointLimit(lower=-100.0, upper=100.0, max_velocity=1e4, max_step=1e3)


class Bench:
    """Feeds the session as sensors would and keeps what it answers.

    Attributes:
        stands: where all joints stand, rad; None: anywhere, as random as the images.
    """

    def __init__(
        self,
        policy: Policy | None = None,
        *,
        limit: JointLimit = WIDE,
        adaptation: AdaptationConfig | None = None,
        journal: Path | None = None,
        initial_weights: Path | None = None,
        instruction: str = "reach",
        open_loop: bool = False,
        shadow: bool = False,
        threaded: bool = False,
    ) -> None:
        self.now = PERIOD
        self.chunks: list[Chunk] = []
        self.reports: list[WindowReport] = []
        self.policy = policy or SmallPolicy()
        self.specification = self.policy.specification
        self.session = Session(
            self.policy,
            SessionConfig(
                limits=JointLimitsConfig(joint_limits=dict.fromkeys(self.specification.joint_names, limit)),
                adaptation=adaptation or AdaptationConfig(),
                request_at=2,
                blend_steps=0 if open_loop else 1,
                open_loop=open_loop,
                shadow=shadow,
            ),
            on_chunk=self.chunks.append,
            on_report=self.reports.append,
            journal=journal,
            initial_weights=initial_weights,
            threaded=threaded,
        )
        self.generator = torch.Generator().manual_seed(0)
        self.stands: float | None = None
        self.session.assembler.set_instruction(instruction)

    def order(self, mode: Mode, *, trusted: int = 10**9, validity: float = 1.0, times: int = 2) -> None:
        """What the safeguard says, often enough to be believed; somebody resets it before it allows better than hold."""
        reasons = () if mode == Mode.ADAPTING else (f"ordered {mode.label}",)
        for _ in range(times):
            order = Order(
                mode=mode,
                permit=mode == Mode.ADAPTING,
                validity=validity,
                trusted_version=trusted,
                reasons=reasons,
                reset=0 if mode >= LATCHING else self.now,
            )
            self.session.loop.orders.receive(order, self.now)

    def sense(self) -> None:
        """A new frame of each camera and a joint state, stamped now."""
        for camera in self.specification.cameras:
            image = torch.randint(0, 256, (camera.height, camera.width, 3), dtype=torch.uint8, generator=self.generator)
            self.session.assembler.add_image(camera.name, self.now, image)
        joints = len(self.specification.joint_names)
        positions = torch.randn(joints, generator=self.generator).tolist() if self.stands is None else [self.stands] * joints
        self.session.assembler.add_joints(self.now, self.specification.joint_names, positions)

    def tick(self) -> Command:
        """One control tick, then the clock moves on."""
        command = self.session.loop.tick(self.now)
        self.now += PERIOD
        return command

    def run(self, ticks: int, mode: Mode = Mode.ADAPTING) -> list[Command]:
        """Ticks with fresh sensors and a fresh order each."""
        commands = []
        for _ in range(ticks):
            self.sense()
            self.order(mode)
            commands.append(self.tick())
        return commands
