"""The command ``ttt-ros``: importing this package gathers all of its commands."""

from ttt_ros.cli import bags, evaluation, live, safety, training
from ttt_ros.cli.application import COULD_NOT_RUN, FAILED, app, main

__all__ = ["COULD_NOT_RUN", "FAILED", "app", "bags", "evaluation", "live", "main", "safety", "training"]
