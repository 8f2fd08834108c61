"""Instants are int nanoseconds of the caller's clock, durations float seconds; nothing below the nodes reads a clock."""

NANOSECONDS = 1_000_000_000
"""In one second."""

CLOCK_JUMP = 1 * NANOSECONDS
"""A clock that moves further than this at once belongs to a simulation that was restarted, or to a bag; corrections are far smaller."""
