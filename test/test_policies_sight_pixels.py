"""Sight on float pixels sees what it sees on an image, and can be differentiated through."""

import torch

from ttt_ros.policies.sight import Sight, SightConfig


def test_points_in_pixels_are_those_in_the_image():
    torch.manual_seed(0)
    sight = Sight(SightConfig(stem_channels=4, channels=8, context_channels=8, depth=1, context_depth=1))
    images = torch.randint(0, 256, (2, 96, 96, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    images[1] = images[1] // 32 + 100  # so flat that it is stretched
    pixels = images.float().requires_grad_()
    points = sight.located(pixels)
    torch.testing.assert_close(points, sight(images), rtol=1e-4, atol=1e-5)
    (slope,) = torch.autograd.grad(points.sum(), pixels)
    assert slope.isfinite().all()
    assert slope.abs().max() > 0
