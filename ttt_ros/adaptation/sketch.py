"""A few numbers that stand for many weights, so that weights can be compared that were never stored."""

import hashlib
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ttt_ros.policies.transition import FastWeights

SIZE = 16


def sketch(weights: FastWeights) -> tuple[float, ...]:
    """``SIZE`` sums over the weights, in the order of their names, each weight in one sum and with a random sign (count sketch).

    The signs depend on the number of weights alone. The Euclidean distance between two sketches is in the mean that between the weights:
    of its square the expectation is exact and the relative standard deviation at most sqrt(2 / SIZE), 0.35.
    Charikar, Chen and Farach-Colton: Finding frequent items in data streams. ICALP 2002.
    """
    values = np.concatenate([weights[name].detach().cpu().numpy().ravel() for name in sorted(weights)]).astype(np.float64)
    signed = np.zeros(-(-len(values) // SIZE) * SIZE)
    signed[: len(values)] = values * _signs(len(values))
    return tuple(signed.reshape(-1, SIZE).sum(axis=0).tolist())


@lru_cache(maxsize=4)
def _signs(count: int) -> NDArray[np.int8]:
    """From a hash, which is the same in all versions of all libraries."""
    bits = np.unpackbits(np.frombuffer(hashlib.shake_256(b"ttt_ros").digest(-(-count // 8)), dtype=np.uint8))
    return (2 * bits[:count].astype(np.int8) - 1).astype(np.int8)
