"""Frozen against adapting on recorded demonstrations, such as those of a real robot: what it predicts, and what it would have done."""
