"""Configurations that Hydra composes; the keys are documented in ttt_ros.training.meta.pipeline and what it refers to."""
