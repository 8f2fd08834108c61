"""Between ROS times and integer nanoseconds."""

import struct

from builtin_interfaces.msg import Time

from ttt_ros.errors import MessageError

_NANOSECONDS = 1_000_000_000
_LITTLE_ENDIAN_CDR = (0, 1)
_STAMPED = 12
"""Bytes of a serialized message up to the end of its stamp."""


def nanoseconds(stamp: Time) -> int:
    """The stamp of a message in nanoseconds."""
    return int(stamp.sec) * _NANOSECONDS + int(stamp.nanosec)


def stamp(time: int) -> Time:
    """Nanoseconds as the stamp of a message."""
    return Time(sec=time // _NANOSECONDS, nanosec=time % _NANOSECONDS)


def serialized_stamp(message: bytes) -> int:
    """Reads the stamp of a serialized message that begins with a std_msgs/Header, without deserializing the rest [ns].

    Raises:
        MessageError: the message ends before that; the middleware hands on serialized messages as they are.
    """
    if len(message) < _STAMPED:
        raise MessageError(f"a message of {len(message)} bytes ends before its stamp, which takes {_STAMPED}; check its publisher")
    order = "<" if (message[0], message[1]) == _LITTLE_ENDIAN_CDR else ">"
    seconds, fraction = struct.unpack_from(f"{order}iI", message, 4)
    return int(seconds) * _NANOSECONDS + int(fraction)
