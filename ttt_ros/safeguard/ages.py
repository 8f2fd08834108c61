"""How old the streams are that the safeguard listens to."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ttt_ros.errors import ConfigurationError
from ttt_ros.safeguard.clock import CLOCK_JUMP, NANOSECONDS
from ttt_ros.safeguard.signals import ADAPTATION_AGE, CAMERA_AGE, CHUNK_AGE, JOINT_STATE_AGE, Reading, worst


@dataclass(kw_only=True)
class _RobotStreams:
    started: int
    camera_stamps: dict[str, int] = field(default_factory=dict)
    joint_stamp: int | None = None


@dataclass(kw_only=True)
class _PolicyStreams:
    first_chunk: int | None = None
    last_chunk: int | None = None
    last_status: int | None = None


class StreamAges:
    """Remembers when each stream was last heard and turns that into readings; all instants are nanoseconds.

    Within ``startup_grace`` seconds of the start a camera or joint state that was never heard gives no reading; after it,
    its age counts from the start. The policy's own streams give none before the first action chunk: nothing moves by then.
    """

    def __init__(self, cameras: Sequence[str], *, startup_grace: float, now: int) -> None:
        self._cameras = tuple(cameras)
        self._startup_grace = round(startup_grace * NANOSECONDS)
        self._latest = now
        self._robot = _RobotStreams(started=now)
        self._policy = _PolicyStreams()

    def heard_camera(self, name: str, stamp: int) -> None:
        """Takes the stamp of a frame of camera ``name``.

        Raises:
            ConfigurationError: the camera is not one of those given at construction.
        """
        if name not in self._cameras:
            raise ConfigurationError(f"camera '{name}' is not watched; watched cameras are {', '.join(self._cameras)}")
        self._robot.camera_stamps[name] = stamp

    def heard_joint_state(self, stamp: int) -> None:
        """Takes the stamp of a joint state."""
        self._robot.joint_stamp = stamp

    def heard_chunk(self, now: int) -> None:
        """Takes the arrival of an action chunk; its own stamp is that of an observation and so tells the observation's age."""
        if self._policy.first_chunk is None:
            self._policy.first_chunk = now
        self._policy.last_chunk = now

    def heard_adaptation_status(self, now: int) -> None:
        """Takes the arrival of an adaptation status."""
        self._policy.last_status = now

    def forget_policy(self) -> None:
        """Waits for the policy's streams anew, as after a reset from a mode in which they may rightly be silent."""
        self._policy = _PolicyStreams()

    def readings(self, now: int) -> tuple[Reading, ...]:
        """The ages at ``now``, to be asked for at every heartbeat.

        After a step back of the clock all streams are waited for anew; after a leap ahead, as at the start of a bag's clock, those that
        were never heard have their grace again.
        """
        if now < self._latest - CLOCK_JUMP:
            self._latest = now
            self._robot = _RobotStreams(started=now)
            self._policy = _PolicyStreams()
        if now > self._latest + CLOCK_JUMP:
            self._robot.started = now
        self._latest = max(self._latest, now)
        return (*self._camera_reading(now), *self._joint_reading(now), *self._policy_readings(now))

    def _camera_reading(self, now: int) -> tuple[Reading, ...]:
        ages = {name: self._robot_age(self._robot.camera_stamps.get(name), now) for name in self._cameras}
        return worst(CAMERA_AGE, {name: age for name, age in ages.items() if age is not None})

    def _joint_reading(self, now: int) -> tuple[Reading, ...]:
        age = self._robot_age(self._robot.joint_stamp, now)
        return () if age is None else (Reading(signal=JOINT_STATE_AGE.name, value=age),)

    def _robot_age(self, stamp: int | None, now: int) -> float | None:
        if stamp is not None:
            return abs(now - stamp) / NANOSECONDS
        waited = now - self._robot.started
        return None if waited <= self._startup_grace else waited / NANOSECONDS

    def _policy_readings(self, now: int) -> tuple[Reading, ...]:
        first_chunk, last_chunk, last_status = self._policy.first_chunk, self._policy.last_chunk, self._policy.last_status
        if first_chunk is None or last_chunk is None:
            return ()
        silent_since = first_chunk if last_status is None else last_status
        return (
            Reading(signal=CHUNK_AGE.name, value=(now - last_chunk) / NANOSECONDS),
            Reading(signal=ADAPTATION_AGE.name, value=max(0, last_chunk - silent_since) / NANOSECONDS),
        )
