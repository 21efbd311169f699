"""Principal components of patch tokens, as colours and as a mask of the foreground."""

from __future__ import annotations

import torch
from torch import Tensor

from teachmatters.measures.moments import accumulator

# The part of the patches, at either end of a component, that may leave the range of a colour channel: a few artefact
# tokens would otherwise take all of it.
TAIL = 0.01


def principal_components(tokens: Tensor, count: int = 3) -> Tensor:
    """Project tokens on their first principal components.

    The sign of a component is that of scikit-learn's PCA: the coefficient with the largest absolute value is positive.
    Components that do not exist, because there are too few tokens or channels, are 0.

    Args:
        tokens: (n, D), n >= 1.
        count: the number of components.

    Returns:
        (n, count), in float64 where the device has it, the component with the largest variance first.

    >>> principal_components(torch.tensor([[0.0, 0.0], [2.0, 0.0], [4.0, 0.0]]), 2).tolist()
    [[-2.0, 0.0], [0.0, 0.0], [2.0, 0.0]]
    """
    values = tokens.to(accumulator(tokens.device))
    values = values - values.mean(dim=0)
    kept = min(count, *values.shape)
    if values.shape[0] < values.shape[1]:  # the smaller of the two Gram matrices has the same eigenvalues
        axes = values.T @ torch.linalg.eigh(values @ values.T).eigenvectors[:, -kept:]
    else:
        axes = torch.linalg.eigh(values.T @ values).eigenvectors[:, -kept:]
    axes = torch.nn.functional.normalize(axes.flip(1), dim=0)
    largest = axes.gather(0, axes.abs().argmax(dim=0, keepdim=True))
    axes = axes * torch.where(largest < 0, -1, 1)
    return torch.nn.functional.pad(values @ axes, (0, count - kept))


def foreground(first: Tensor, border: Tensor) -> Tensor:
    """Threshold the first principal component at its mean, as the authors of DINOv2 do.

    The sign of a component means nothing, so the side with the smaller share of border patches counts as foreground.

    Args:
        first: (n,), the centred first component.
        border: bool (n,), the patches at the border of their image.

    Returns:
        bool (n,).

    >>> foreground(torch.tensor([2.0, -1.0, -1.0]), torch.tensor([True, False, False])).tolist()
    [False, True, True]
    """
    positive = first > 0
    shares = [(border & side).sum() / side.sum().clamp_min(1) for side in (positive, ~positive)]
    return positive if shares[0] <= shares[1] else ~positive


def follow(components: Tensor, before: Tensor) -> Tensor:
    """Flip the signs of components so that each agrees with that of the layer before.

    Args:
        components: (n, count).
        before: (n, count), of the same patches in the layer before.

    >>> follow(torch.tensor([[1.0, 2.0]]), torch.tensor([[-3.0, 1.0]])).tolist()
    [[-1.0, 2.0]]
    """
    return components * torch.where((components * before).sum(dim=0) < 0, -1, 1)


def to_channels(components: Tensor) -> Tensor:
    """Stretch each component to 0..1, so that three of them are a colour; 1 percent is cut off at either end.

    Args:
        components: (n, count), n >= 1.

    Returns:
        (n, count); 0.5 for a component that does not vary.

    >>> to_channels(torch.tensor([[0.0, 5.0], [1.0, 5.0], [2.0, 5.0]])).round(decimals=3).tolist()
    [[0.0, 0.5], [0.5, 0.5], [1.0, 0.5]]
    """
    low, high = (components.quantile(share, dim=0) for share in (TAIL, 1 - TAIL))
    span = high - low
    scaled = ((components - low) / torch.where(span > 0, span, 1)).clamp(0, 1)
    return torch.where(span > 0, scaled, 0.5)
