"""Contrastive learning of images and captions, as in CLIP (Radford et al., 2021)."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import torch
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from teachmatters_train.backbone import class_token
from teachmatters_train.contrast import info_nce
from teachmatters_train.method import LIGHT, Batch, Corpus, Method, Settings
from teachmatters_train.views import look

WIDTH, LONGEST = 96, 32
# The share of patches dropped in training, as in FLIP (Li et al., 2023).
DROPPED = 0.5
# The scale of the cosines is learned, up to 100.
WARMEST = math.log(100)


class Words:
    """The vocabulary of a set of captions, numbered from 1; 0 is padding.

    >>> words = Words(["a red bird flying left", "a fish"])
    >>> words.numbers("a bird flying right").tolist()
    [1, 2, 4, 0, 0]
    >>> words.mirrored(torch.tensor([5]))
    tensor([5])
    """

    def __init__(self, captions: Sequence[str]) -> None:
        known = sorted({word for caption in captions for word in _split(caption)})
        self.number = {word: number for number, word in enumerate(known, start=1)}
        self.longest = min(LONGEST, max((len(_split(caption)) for caption in captions), default=1))
        self._swap = torch.arange(len(self))
        if {"left", "right"} <= self.number.keys():
            left, right = self.number["left"], self.number["right"]
            self._swap[left], self._swap[right] = right, left

    def __len__(self) -> int:
        return len(self.number) + 1

    def numbers(self, caption: str) -> Tensor:
        """Return the numbers of a caption's words, int64 (longest,); 0 for an unknown word."""
        found = [self.number.get(word, 0) for word in _split(caption)][: self.longest]
        return torch.tensor(found + [0] * (self.longest - len(found)))

    def mirrored(self, numbers: Tensor) -> Tensor:
        """Return captions of the mirror image, with left and right swapped."""
        return self._swap.to(numbers.device)[numbers]


def _split(caption: str) -> list[str]:
    return re.findall(r"\w+", caption.lower())


class TextTower(nn.Module):
    """A small transformer that embeds a caption as the mean of its words."""

    def __init__(self, words: int, longest: int) -> None:
        super().__init__()
        self.words = nn.Embedding(words, WIDTH, padding_idx=0)
        self.positions = nn.Parameter(torch.zeros(1, longest, WIDTH))
        nn.init.trunc_normal_(self.words.weight, std=0.02)
        nn.init.trunc_normal_(self.positions, std=0.02)
        self.blocks = nn.ModuleList(Block(WIDTH, num_heads=6, qkv_bias=True) for _ in range(3))
        self.norm = nn.LayerNorm(WIDTH)

    def forward(self, numbers: Tensor) -> Tensor:
        """Embed captions: (B, longest) -> (B, WIDTH)."""
        absent = numbers == 0
        absent[:, 0] = False  # so that a caption without a known word still has an embedding
        hidden = torch.zeros(absent.shape, device=absent.device).masked_fill(absent, -torch.inf)[:, None, None]
        tokens = self.words(numbers) + self.positions
        for block in self.blocks:
            tokens = block(tokens, attn_mask=hidden)
        present = (~absent).unsqueeze(-1)
        mean: Tensor = (self.norm(tokens) * present).sum(1) / present.sum(1)
        return mean


class Clip(Method):
    """Symmetric InfoNCE between class tokens and captions, in a space of WIDTH dimensions."""

    settings = Settings(rate=1e-3)
    needs = "captions"

    def __init__(self, backbone: Any, corpus: Corpus) -> None:
        super().__init__(backbone, corpus)
        self.vocabulary = Words(corpus.captions)
        self.text = TextTower(len(self.vocabulary), self.vocabulary.longest)
        self.of_image = nn.Linear(backbone.embed_dim, WIDTH, bias=False)
        self.of_text = nn.Linear(WIDTH, WIDTH, bias=False)
        self.scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
        captions = torch.stack([self.vocabulary.numbers(caption) for caption in corpus.captions])
        self.register_buffer("captions", captions, persistent=False)

    def loss(self, batch: Batch, progress: float) -> Tensor:
        pixels, mirrored = look(batch.images, LIGHT)
        words: Tensor = self.captions[batch.indices]  # type: ignore[index]  # a buffer
        words = torch.where(mirrored[:, None], self.vocabulary.mirrored(words), words)
        images = self.of_image(class_token(self.backbone, pixels, DROPPED))
        texts = self.of_text(self.text(words))
        scale = self.scale.clamp(max=WARMEST).exp()
        return (info_nce(images, texts, scale) + info_nce(texts, images, scale)) / 2
