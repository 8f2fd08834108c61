"""How the learning rate goes over a training run."""

import math


def warm_cosine(step: int, *, warmup: int, steps: int, final: float = 0.0) -> float:
    """Factor on the peak rate at ``step``: a linear rise over ``warmup`` steps, then a cosine down to ``final`` at ``steps``."""
    if step < warmup:
        return (step + 1) / warmup
    return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(steps - warmup, 1)))
