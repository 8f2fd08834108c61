"""Building a module from sizes that somebody else has written down, without asking for more memory than its values are there for."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from torch.overrides import TorchFunctionMode

from ttt_ros.errors import CheckpointError

_FACTORIES = ("empty", "zeros", "ones", "full", "rand", "randn", "eye", "linspace", "arange")


class _Bounded(TorchFunctionMode):
    """Counts the numbers for which tensors are made, before they are made."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most
        self._made = 0

    def __torch_function__(
        self, function: Callable[..., Any], types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(function, "__name__", "") in _FACTORIES:
            self._made += math.prod(_sizes((*args, *kwargs.values())))
            if self._made > self._most:
                raise CheckpointError(f"the sizes ask for more than {self._most} numbers, which is more than there are values for")
        return function(*args, **kwargs)


@contextmanager
def at_most(numbers: int) -> Iterator[None]:
    """Within it no more tensors can be made than hold so many numbers.

    Raises:
        CheckpointError: more are asked for.
    """
    with _Bounded(numbers):
        yield


def _sizes(values: Sequence[Any]) -> Iterator[int]:
    """All integers above 1 among the arguments; of a factory of tensors their product is what it makes, or more."""
    for value in values:
        if isinstance(value, list | tuple):
            yield from _sizes(value)
        elif isinstance(value, int) and value > 1:
            yield value
