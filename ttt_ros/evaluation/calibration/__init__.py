"""Limits of the safeguard from clean runs: what they are for a stated rate of false alarms, and how often the present ones are wrong."""
