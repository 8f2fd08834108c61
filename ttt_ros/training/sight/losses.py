"""What the vision trunk is taught by."""

from torch import Tensor
from torch.nn import functional

from ttt_ros.policies.sight import Sight

_FINE = 0.01
"""Half a pixel at 96 pixels: below it the loss is quadratic."""

_LOST = 0.1
"""An error of position at which a point counts as not seen, of half the image: a hidden one can sometimes be inferred, but not always."""

_HEAT_WIDTH = 0.06
"""Standard deviation of the peak that a map is taught, of half the image; under a cell and a half."""


def sight_losses(sight: Sight, images: Tensor, points: Tensor, seen: Tensor) -> dict[str, Tensor]:
    """The parts of the loss.

    Args:
        images: uint8 (n, height, width, 3).
        points: where the points are, float32 (n, points, 2), column and row in -1..1.
        seen: whether each is to be seen, bool (n, points); where it is not, its position teaches nothing.
    """
    reading = sight.read(images)
    weight = seen.float() / seen.sum().clamp_min(1)
    position = functional.smooth_l1_loss(reading.positions, points, beta=_FINE, reduction="none").sum(dim=-1)
    heat = functional.cross_entropy(reading.scores.flatten(0, 1), _peaks(sight, points).flatten(0, 1), reduction="none")
    found = seen & ((reading.positions.detach() - points).norm(dim=-1) < _LOST)
    confidence = functional.binary_cross_entropy_with_logits(reading.logits, found.float())
    return {"position": (position * weight).sum(), "heat": (heat.view_as(weight) * weight).sum(), "confidence": confidence}


def _peaks(sight: Sight, points: Tensor) -> Tensor:
    """The distribution over the cells that a map shall have (arXiv 1801.07372), float32 (n, points, cells)."""
    distances = (sight.places - points[:, :, None]).square().sum(dim=-1)
    return (-distances / (2 * _HEAT_WIDTH**2)).softmax(dim=-1)
