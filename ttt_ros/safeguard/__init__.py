"""Signals, rules with hysteresis and the mode ladder: pure functions of numbers and time."""
