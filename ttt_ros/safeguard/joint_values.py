"""What a message says of joints, by their names, once the names are known to be few and short."""

from collections.abc import Sequence

from ttt_ros.errors import ObservationError

MAX_JOINTS = 1000
"""Far more than any robot has; names are compared and repeated in reasons, so their number bounds time and memory."""

MAX_NAME = 256
"""Characters of a name."""


def joint_values(names: Sequence[str], values: Sequence[float]) -> dict[str, float]:
    """The values by joint; not checked to be finite.

    Raises:
        ObservationError: names and values differ in number, or ``check_names`` refuses the names.
    """
    if len(names) != len(values):
        raise ObservationError(f"a message carries {len(values)} positions for {len(names)} joints; each joint needs one")
    check_names(names)
    return dict(zip(names, values, strict=True))


def check_names(names: Sequence[str]) -> None:
    """Checks that a message does not name more joints, or longer ones, than a robot has.

    Raises:
        ObservationError: naming the number and the limit.
    """
    if len(names) > MAX_JOINTS:
        raise ObservationError(f"a message names {len(names)} joints, and at most {MAX_JOINTS} are taken; check its publisher")
    longest = max(map(len, names), default=0)
    if longest > MAX_NAME:
        raise ObservationError(f"a message names a joint with {longest} characters, and at most {MAX_NAME} are taken; check its publisher")
