"""The identity of a set of tensors."""

import pytest
import torch
from torch import Tensor

from ttt_ros.policies.checksum import tensor_checksum

TENSORS = {"weight": torch.arange(6.0).reshape(2, 3), "bias": torch.zeros(2)}


def test_equal_tensors_have_equal_checksums_whatever_their_order_layout_and_gradient() -> None:
    other = {"bias": torch.zeros(2).requires_grad_(), "weight": TENSORS["weight"].T.contiguous().T}
    assert tensor_checksum(other) == tensor_checksum(TENSORS)


@pytest.mark.parametrize(
    "change",
    [
        {"bias": torch.tensor([0.0, -0.0])},
        {"bias": torch.zeros(2, dtype=torch.int32)},
        {"bias": torch.zeros(1, 2)},
        {"weight": torch.arange(6.0).reshape(3, 2)},
        {"extra": torch.zeros(0)},
    ],
)
def test_any_difference_in_bits_type_shape_or_names_changes_the_checksum(change: dict[str, Tensor]) -> None:
    assert tensor_checksum(TENSORS | change) != tensor_checksum(TENSORS)


def test_exchanged_names_change_the_checksum() -> None:
    one, other = torch.zeros(2), torch.ones(2)
    assert tensor_checksum({"a": one, "b": other}) != tensor_checksum({"a": other, "b": one})


def test_tensors_of_any_type_have_a_checksum() -> None:
    assert len(tensor_checksum({"half": torch.zeros(3, dtype=torch.bfloat16), "count": torch.tensor(3), "none": torch.zeros(0)})) == 64
