"""The vision trunk: shapes, ranges, refusals, and what its form promises without any training."""

import pytest
import torch
from torch import Tensor

from ttt_ros.configuration import validated
from ttt_ros.errors import ConfigurationError, ObservationError
from ttt_ros.policies.sight import Sight, SightConfig

_SIZES = {
    "height": 32,
    "width": 48,
    "points": 3,
    "stem_channels": 8,
    "channels": 16,
    "context_channels": 16,
    "depth": 1,
    "context_depth": 1,
}


def small_sight(**sizes: int) -> Sight:
    torch.manual_seed(0)
    return Sight(SightConfig(**(_SIZES | sizes)))


def decided_sight() -> Sight:
    """One whose answers depend on the image as much as those of a trained one."""
    sight = small_sight()
    with torch.no_grad():
        sight.head.weight.mul_(300.0)
    return sight


def pictures(count: int, seed: int = 0, *, brightest: int = 120) -> Tensor:
    return torch.randint(20, brightest, (count, 32, 48, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def test_each_point_has_a_place_in_the_image_and_a_confidence() -> None:
    found = small_sight()(pictures(5))
    assert found.shape == (5, 3, 3)
    assert found.dtype == torch.float32
    assert (found[..., :2].abs() <= 1).all()
    assert ((found[..., 2] >= 0) & (found[..., 2] <= 1)).all()


def test_an_image_is_read_the_same_alone_and_in_a_batch() -> None:
    sight, images = small_sight(), pictures(4)
    together, alone = sight(images), torch.cat([sight(image[None]) for image in images])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


def test_an_image_that_is_a_view_of_another_is_read_like_a_copy_and_stays_as_it_is() -> None:
    sight, images = small_sight(), pictures(2)
    mirrored = images.transpose(1, 2).contiguous().transpose(1, 2)
    torch.testing.assert_close(sight(mirrored), sight(images))
    assert torch.equal(images, pictures(2))


def test_a_brighter_or_tinted_image_is_read_nearly_the_same() -> None:
    sight, images = decided_sight(), pictures(4)
    tinted = (images.float() * torch.tensor([2.0, 1.6, 1.2])).round().to(torch.uint8)
    torch.testing.assert_close(sight(tinted), sight(images), atol=5e-2, rtol=0)


def test_an_image_of_low_contrast_is_stretched_before_it_is_read() -> None:
    sight, image = decided_sight(), pictures(1, brightest=250)
    grey = image.float().mean(dim=(1, 2), keepdim=True)
    flat, flatter = ((grey + share * (image - grey)).round().to(torch.uint8) for share in (0.3, 0.15))
    torch.testing.assert_close(sight(flatter), sight(flat), atol=5e-2, rtol=0)


def test_a_black_image_gives_finite_numbers() -> None:
    assert small_sight()(torch.zeros((1, 32, 48, 3), dtype=torch.uint8)).isfinite().all()


@pytest.mark.parametrize("row", [0, 3, 7])
@pytest.mark.parametrize("column", [0, 5, 11])
def test_a_map_with_one_peak_is_read_at_the_middle_of_its_cell(row: int, column: int) -> None:
    place = small_sight().places.view(8, 12, 2)[row, column]
    assert place.tolist() == pytest.approx([(column + 0.5) / 12 * 2 - 1, (row + 0.5) / 8 * 2 - 1])


def test_every_weight_has_a_part_in_places_and_confidences() -> None:
    sight = small_sight()
    torch.autograd.backward(sight(pictures(4)).square().sum())
    assert all(weight.grad is not None and weight.grad.any() for weight in sight.parameters())


def test_it_learns_where_a_spot_is() -> None:
    torch.manual_seed(0)
    sight = small_sight(points=1)
    optimiser = torch.optim.Adam(sight.parameters(), lr=1e-2)
    errors = []
    for step in range(40):
        images, places = spots(16, seed=step)
        error = (sight(images)[:, 0, :2] - places).norm(dim=-1).mean()
        optimiser.zero_grad()
        torch.autograd.backward(error)
        optimiser.step()
        errors.append(error.item())
    assert sum(errors[-5:]) / 5 < 0.35 * errors[0]


def spots(count: int, *, seed: int) -> tuple[Tensor, Tensor]:
    """Dark images with one bright spot each, and where it is."""
    generator = torch.Generator().manual_seed(seed)
    places = torch.rand((count, 2), generator=generator) * 1.6 - 0.8
    columns, rows = (torch.arange(cells).add(0.5).mul(2 / cells).sub(1) for cells in (48, 32))
    distances = (columns - places[:, :1]).square()[:, None] + (rows - places[:, 1:]).square()[:, :, None]
    images = 40 + 200 * torch.exp(-distances / 0.02)
    return images[..., None].expand(-1, -1, -1, 3).to(torch.uint8), places


@pytest.mark.parametrize(
    "images",
    [
        torch.zeros((1, 32, 48, 3)),
        torch.zeros((1, 48, 32, 3), dtype=torch.uint8),
        torch.zeros((32, 48, 3), dtype=torch.uint8),
        torch.zeros((1, 3, 32, 48), dtype=torch.uint8),
    ],
    ids=["floats", "transposed", "no batch axis", "channels first"],
)
def test_images_of_another_form_are_refused(images: Tensor) -> None:
    with pytest.raises(ObservationError, match=r"uint8 of shape \(n, 32, 48, 3\)"):
        small_sight()(images)


@pytest.mark.parametrize("sizes", [{"height": 92}, {"points": 0}, {"depth": 0}, {"pionts": 4}])
def test_sizes_that_cannot_be_are_refused(sizes: dict[str, int]) -> None:
    with pytest.raises(ConfigurationError):
        validated(SightConfig, sizes, source="test")
