"""What the safeguard can tell of the robot's own streams beside their age: rate, order, content, motion."""

import math
from collections import deque
from collections.abc import Iterable, Mapping

from ttt_ros.errors import ConfigurationError
from ttt_ros.safeguard.clock import CLOCK_JUMP, NANOSECONDS
from ttt_ros.safeguard.signals import (
    CAMERA_RATE,
    CAMERA_SATURATION,
    CAMERA_STUCK,
    FOLLOWING_ERROR,
    JOINT_SPEED,
    JOINT_STATE_RATE,
    SENSOR_PUBLISHERS,
    STAMP_DISORDER,
    Reading,
    worst,
)

JOINT_STATES = "joint_states"

_RATE_SPAN = 2 * NANOSECONDS
"""Over which arrivals are counted: long enough that a nominal 5 Hz gives ten."""

_ORDERED_OF_LAST = 30
_COMMANDS_SPAN = 1 * NANOSECONDS
"""Commands within which a measured position counts as followed: longer than action delays of real arms (0.1 to 0.3 s)."""

_MOST_ARRIVALS, _MOST_COMMANDS = 10_000, 2_000
"""Kept at most: several times what streams and controllers send in their spans, so that neither a flood nor a clock that stands fills the
memory."""


class _Stream:
    """Arrivals and stamps of one stream, in nanoseconds."""

    def __init__(self, nominal_rate: float) -> None:
        self._nominal_rate = nominal_rate
        self._arrivals: deque[int] = deque(maxlen=_MOST_ARRIVALS)
        self._disorder: deque[bool] = deque(maxlen=_ORDERED_OF_LAST)
        self._since: int | None = None
        self._stamp: int | None = None

    def heard(self, stamp: int, now: int) -> None:
        if self._since is None:
            self._since = now
        self._arrivals.append(now)
        if self._stamp is not None:
            self._disorder.append(stamp <= self._stamp)
        self._stamp = stamp

    def rate(self, now: int) -> float | None:
        """Over the nominal one; None without that, or before a whole span was heard."""
        while self._arrivals and self._arrivals[0] <= now - _RATE_SPAN:
            self._arrivals.popleft()
        if not self._nominal_rate or self._since is None or now - self._since < _RATE_SPAN:
            return None
        return len(self._arrivals) * NANOSECONDS / (_RATE_SPAN * self._nominal_rate)

    @property
    def disorder(self) -> float | None:
        return sum(self._disorder) / _ORDERED_OF_LAST if self._disorder else None


class _Picture:
    """What one camera's newest frame shows, and where the joints stood when that was new."""

    def __init__(self) -> None:
        self.digest: int | None = None
        self.joints: dict[str, float] = {}
        self.saturation: float | None = None
        self.stuck: float | None = None


class SensorMonitor:
    """Turns the robot's messages into readings; all instants are nanoseconds of the caller's clock.

    After a step back of the clock everything is waited for anew.
    """

    def __init__(self, camera_rates: Mapping[str, float], *, joint_state_rate: float = 0.0) -> None:
        """Watches cameras and joint states.

        Args:
            camera_rates: nominal rate in Hz by camera; 0 if it is unknown.
            joint_state_rate: likewise.
        """
        self._rates = {**camera_rates, JOINT_STATES: joint_state_rate}
        self._cameras = tuple(camera_rates)
        self._latest = 0
        self._publishers: dict[str, int] = {}
        self._forget()

    def _forget(self) -> None:
        self._streams = {name: _Stream(rate) for name, rate in self._rates.items()}
        self._pictures = {name: _Picture() for name in self._cameras}
        self._joints: dict[str, float] = {}
        self._joint_stamp: int | None = None
        self._fastest: tuple[Reading, ...] = ()
        self._commands: deque[tuple[int, Mapping[str, float]]] = deque(maxlen=_MOST_COMMANDS)

    def heard_camera(self, name: str, *, stamp: int, now: int) -> None:
        """Takes the stamp of a frame that arrived at ``now``.

        Raises:
            ConfigurationError: the camera is not watched.
        """
        if name not in self._pictures:
            raise ConfigurationError(f"camera '{name}' is not watched; watched cameras are {', '.join(self._cameras)}")
        self._streams[name].heard(stamp, now)

    def saw(self, name: str, *, digest: int, saturation: float) -> None:
        """Takes what the newest frame of a watched camera shows.

        Args:
            name: of the camera.
            digest: of the content; equal ones mean the same picture.
            saturation: share of its values at either end of their range.
        """
        picture = self._pictures[name]
        picture.saturation = saturation
        if digest != picture.digest:
            picture.digest, picture.joints = digest, self._joints
        picture.stuck = self._moved_since(picture)

    def look_anew(self) -> None:
        """Measures from now on how far the joints move while a picture stays the same, and what they are commanded.

        Else an arm that is held would never clear it: at rest its picture has no reason to change, and where it was moved by hand it stays.
        """
        self.released()
        for picture in self._pictures.values():
            picture.joints = self._joints

    def heard_joints(self, positions: Mapping[str, float], *, stamp: int, now: int) -> None:
        """Takes a joint state: rad by joint name."""
        self._streams[JOINT_STATES].heard(stamp, now)
        speeds = {each.source: each.value for each in self._fastest}
        if self._joint_stamp is not None and stamp > self._joint_stamp:
            seconds = (stamp - self._joint_stamp) / NANOSECONDS
            for name in positions.keys() & self._joints.keys():
                speed = abs(positions[name] - self._joints[name]) / seconds
                speeds[name] = max(speeds.get(name, 0.0), speed) if math.isfinite(speed) else math.nan
        speeds |= {name: math.nan for name, position in positions.items() if not math.isfinite(position)}
        self._fastest = worst(JOINT_SPEED, speeds)
        self._joints, self._joint_stamp = dict(positions), stamp

    def commanded(self, positions: Mapping[str, float], *, now: int) -> None:
        """Takes a command to the robot: rad by joint name."""
        self._commands.append((now, positions))

    def released(self) -> None:
        """Takes that no command is in force any more, as after an empty trajectory: the robot may be moved by hand."""
        self._commands.clear()

    def counted_publishers(self, counts: Mapping[str, int]) -> None:
        """Takes how many publishers each sensor topic has."""
        self._publishers = dict(counts)

    def readings(self, now: int) -> tuple[Reading, ...]:
        """All that can be told at ``now``."""
        if now < self._latest - CLOCK_JUMP:
            self._latest = now
            self._forget()
        self._latest = max(self._latest, now)
        fastest, self._fastest = self._fastest, ()
        return (
            *self._rate_readings(now),
            *worst(STAMP_DISORDER, _known({name: stream.disorder for name, stream in self._streams.items()})),
            *worst(CAMERA_SATURATION, _known({name: picture.saturation for name, picture in self._pictures.items()})),
            *worst(CAMERA_STUCK, _known({name: picture.stuck for name, picture in self._pictures.items()})),
            *fastest,
            *worst(FOLLOWING_ERROR, self._following_errors(now)),
            *worst(SENSOR_PUBLISHERS, {name: float(count) for name, count in self._publishers.items()}),
        )

    def _rate_readings(self, now: int) -> Iterable[Reading]:
        cameras = _known({name: self._streams[name].rate(now) for name in self._cameras})
        if cameras:
            furthest = max(cameras, key=lambda name: abs(cameras[name] - 1.0))
            yield Reading(signal=CAMERA_RATE.name, value=cameras[furthest], source=furthest)
        rate = self._streams[JOINT_STATES].rate(now)
        if rate is not None:
            yield Reading(signal=JOINT_STATE_RATE.name, value=rate)

    def _moved_since(self, picture: _Picture) -> float:
        return max((abs(self._joints[name] - then) for name, then in picture.joints.items() if name in self._joints), default=0.0)

    def _following_errors(self, now: int) -> dict[str, float]:
        while len(self._commands) > 1 and self._commands[1][0] <= now - _COMMANDS_SPAN:
            self._commands.popleft()
        flooded = len(self._commands) == _MOST_COMMANDS
        if not self._commands or (self._commands[0][0] > now - _COMMANDS_SPAN and not flooded):
            return {}
        errors = {}
        for name, measured in self._joints.items():
            wanted = [command[name] for _, command in self._commands if name in command]
            if wanted:
                known = all(map(math.isfinite, (measured, *wanted)))
                errors[name] = max(min(wanted) - measured, measured - max(wanted), 0.0) if known else math.nan
        return errors


def _known(values: Mapping[str, float | None]) -> dict[str, float]:
    return {name: value for name, value in values.items() if value is not None}
