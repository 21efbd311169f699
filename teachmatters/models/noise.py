"""``noise-b16``, the paper's chance line: the value of every analysis on random numbers."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  (the field's own name for it)

from teachmatters.api import ModelAdapter, ModelInfo, ModelRequest, ModelSource, Sink, Size, Tap, split_size
from teachmatters.errors import TeachMattersError
from teachmatters.models.recipes import RECIPES, SHAPES, Recipe

# Increased whenever the numbers change; part of the model's identity.
VERSION = 1


def open_noise(request: ModelRequest) -> ModelSource:
    """Open the chance line; its identity is a hash of the text that determines its numbers.

    Raises:
        TeachMattersError: a file of weights was given.
    """
    size, recipe = request.spec.size, RECIPES[split_size(request.spec.name)[0]]
    if request.weights is not None:
        raise TeachMattersError(
            f"--weights {request.weights} for {recipe.name}, which has no network to load them into; leave --weights "
            "out, or name the family that the file belongs to ('tm models')"
        )
    text = f"{recipe.name} version={VERSION} seed={request.seed} torch={torch.__version__}"
    text += "" if size is None else f" size={size[0]}x{size[1]}"
    return ModelSource(hashlib.sha256(text.encode()).hexdigest(), lambda: Noise(recipe, request.seed, size))


class Noise(ModelAdapter):
    """Uniform noise as features and row-normalised uniform noise as attention, without a network.

    The noise of an image at a layer is seeded by the image's 8-bit pixels, so batches and requested taps do not change
    it. The outputs of the blocks and the sums inside them are noise. A branch is the difference between two of them,
    so skip and branch add up as in a network; the two norms are layer norms of their inputs.

    Args:
        recipe: the shape of the noise.
        seed: the seed of all random numbers.
        size: rows and columns of pixels of the images; None for the recipe's.

    >>> model = Noise(RECIPES["noise-b16"], seed=0)
    >>> model.stream(torch.zeros(1, 3, 32, 32), frozenset({"block"}), lambda layer, tap, value: (
    ...     print(layer, tuple(value.shape)) if layer in (1, 12) else None))
    1 (1, 5, 768)
    12 (1, 5, 768)
    """

    def __init__(self, recipe: Recipe, seed: int, size: Size | None = None) -> None:
        shape, (rows, columns) = SHAPES[recipe.size], size or (recipe.pixels, recipe.pixels)
        self.seed = seed
        self.info = ModelInfo(
            arch=recipe.arch,
            depth=shape.depth,
            heads=recipe.heads,
            width=shape.width,
            patch_size=recipe.patch,
            image_size=min(rows, columns),
            grid=(rows // recipe.patch, columns // recipe.patch),
            class_token=True,
            registers=0,
            mean=recipe.mean_std[0],
            std=recipe.mean_std[1],
            mlp_width=4 * shape.width,
            last_norm="tokens",
        )
        self._like = torch.empty(0)

    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        self._like = torch.empty(0, device=device, dtype=dtype)

    def forward(self, pixels: Tensor) -> Tensor:
        keys, tokens = self._keys(pixels), self._tokens(pixels)
        return self._features(keys, self.info.depth, "block", tokens)

    def stream(self, pixels: Tensor, taps: frozenset[Tap], sink: Sink) -> None:
        keys, tokens = self._keys(pixels), self._tokens(pixels)
        skip = self._features(keys, 0, "block", tokens)
        for layer in range(1, self.info.depth + 1):
            middle = self._features(keys, layer, "middle", tokens)
            block = self._features(keys, layer, "block", tokens)
            if "norm1" in taps:
                sink(layer, "norm1", F.layer_norm(skip, skip.shape[-1:]))
            if "attention" in taps:
                sink(layer, "attention", self._attention(keys, layer, tokens))
            values: list[tuple[Tap, Tensor]] = [("attn_skip", skip), ("attn_branch", middle - skip)]
            values += [("norm2", F.layer_norm(middle, middle.shape[-1:]))]
            values += [("mlp_skip", middle)]
            if "mlp_hidden" in taps:
                hidden = self._uniform(keys, f"hidden {layer}", (tokens, self.info.mlp_width)).to(self._like)
                values += [("mlp_hidden", hidden)]
            values += [("mlp_branch", block - middle), ("block", block)]
            for tap, value in values:
                if tap in taps:
                    sink(layer, tap, value)
            skip = block

    def last_norm(self, vectors: Tensor) -> Tensor:
        return F.layer_norm(vectors.to(self._like), vectors.shape[-1:])

    def _tokens(self, pixels: Tensor) -> int:
        height, width = pixels.shape[-2:]
        return 1 + (height // self.info.patch_size) * (width // self.info.patch_size)

    def _keys(self, pixels: Tensor) -> list[bytes]:
        """Hash each image's pixels before normalisation; the hash is the same on every device."""
        mean, std = (pixels.new_tensor(each).float().view(1, 3, 1, 1) for each in (self.info.mean, self.info.std))
        whole = (pixels.float() * std + mean).mul(255).round().clamp(0, 255).to(torch.uint8).cpu().numpy()
        return [hashlib.sha256(each.tobytes()).digest() for each in whole]

    def _features(self, keys: list[bytes], layer: int, what: str, tokens: int) -> Tensor:
        return self._uniform(keys, f"{what} {layer}", (tokens, self.info.width)).to(self._like)

    def _attention(self, keys: list[bytes], layer: int, tokens: int) -> Tensor:
        rows = self._uniform(keys, f"attention {layer}", (self.info.heads, tokens, tokens)).to(self._like.device)
        return rows / rows.sum(dim=-1, keepdim=True)

    def _uniform(self, keys: list[bytes], what: str, shape: tuple[int, ...]) -> Tensor:
        """Return (B, ...) float32 in [0, 1), which depends only on the image, the layer and the seed."""
        drawn = []
        for key in keys:
            digest = hashlib.sha256(f"{self.seed} {what} ".encode() + key).digest()
            generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "little", signed=True))
            drawn.append(torch.rand(shape, generator=generator))
        return torch.stack(drawn)
