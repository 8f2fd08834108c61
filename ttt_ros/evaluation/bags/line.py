"""One line of a verdict."""

from dataclasses import dataclass

from ttt_ros import configuration


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class Line:
    """Something that was judged.

    Attributes:
        name: what, in words.
        passed: None if it could not be judged, for which ``figure`` says why.
        figure: what was found.
        limit: what it was held to.
        cause: why it failed; empty if it did not.
    """

    name: str
    passed: bool | None
    figure: str
    limit: str
    cause: str


def line(name: str, *, passed: bool, figure: str, limit: str, cause: str) -> Line:
    """A line that was judged; the ``cause`` is kept only if it failed."""
    return Line(name=name, passed=passed, figure=figure, limit=limit, cause="" if passed else cause)


def not_judged(name: str, *, because: str, limit: str) -> Line:
    """A line that could not be judged."""
    return Line(name=name, passed=None, figure=f"not judged: {because}", limit=limit, cause="")
