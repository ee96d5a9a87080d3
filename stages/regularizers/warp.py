"""What methods that rotate, shear and move images share; not a method by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stages.regularizers.base import Work

if TYPE_CHECKING:
    from torch import Tensor


class WarpWork(Work):
    def warped(self, x: Tensor, across: tuple[Tensor, ...], down: tuple[Tensor, ...]) -> Tensor:
        """Images x (R, N, C, H, W), each pixel (i, j) from the place (across, down) . (i, j, 1) of the image as it was.

        Places go from -1 to 1 across (i) and down (j); each factor is (R, N). Between pixels they are interpolated,
        outside the edge is repeated.
        """
        import torch
        import torch.nn.functional as F

        j, i = ((2 * torch.arange(size, device=x.device) + 1) / size - 1 for size in x.shape[-2:])
        # No matrix product, which may round a replica by its neighbours.
        axes = [
            a[..., None, None] * i + b[..., None, None] * j[:, None] + c[..., None, None] for a, b, c in (across, down)
        ]
        grid = torch.stack(axes, -1).flatten(0, 1)
        found = F.grid_sample(x.flatten(0, 1), grid, padding_mode="border", align_corners=False)
        return found.view(x.shape)
