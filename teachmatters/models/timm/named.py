"""The specs of the named models that timm publishes, derived from name and id without importing timm.

Mean and standard deviation and the native size are read from timm when a model is opened.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from teachmatters.api import ModelSpec
from teachmatters.models.recipes import PUBLIC, shown
from teachmatters.models.timm.families import FAMILIES, TimmFamily

# By timm's word for a size: the usual letter, blocks, and heads of a block.
SIZES = {
    "tiny": ("Ti", 12, 3),
    "small": ("S", 12, 6),
    "small_plus": ("S+", 12, 6),
    "base": ("B", 12, 12),
    "large": ("L", 24, 16),
    "so400m": ("SO400M", 27, 16),
    "huge": ("H", 32, 16),
    "huge_plus": ("H+", 32, 20),
    "giant": ("g", 40, 24),
    "gigantic": ("G", 50, 16),
    "1b": ("1B", 24, 16),
    "3b": ("3B", 24, 24),
    "7b": ("7B", 40, 32),
}

# Only its authors publish the files of I-JEPA.
AUTHORS = {
    "vit_huge_patch14_gap_224.in1k_ijepa": f"{PUBLIC}/ijepa/IN1K-vit.h.14-300e.pth.tar",
    "vit_huge_patch16_gap_448.in1k_ijepa": f"{PUBLIC}/ijepa/IN1K-vit.h.16-448px-300e.pth.tar",
    "vit_giant_patch16_gap_224.in22k_ijepa": f"{PUBLIC}/ijepa/IN22K-vit.g.16-600e.pth.tar",
}


@dataclass(frozen=True, slots=True)
class TimmNamed:
    """A named model that timm publishes.

    >>> model = NAMED["dinov2-g14-reg"]
    >>> model.timm_id, model.arch, model.pixels, model.heads
    ('vit_giant_patch14_reg4_dinov2.lvd142m', 'ViT-g/14', 224, 24)
    """

    family: TimmFamily
    member: str

    @property
    def name(self) -> str:
        """Return the name, such as ``dinov2-s14-reg``."""
        return f"{self.family.name}-{self.member}"

    @property
    def timm_id(self) -> str:
        """Return timm's id of the network and its weights."""
        return self.family.members[self.member]

    @property
    def _word(self) -> str:
        found = re.search(rf"_({'|'.join(SIZES)})_patch", self.timm_id)
        assert found is not None, self.timm_id  # a test reads all of them
        return found[1]

    @property
    def patch(self) -> int:
        """Return the side of a patch in pixels."""
        return int(re.sub(r".*_patch(\d+)_.*", r"\1", self.timm_id))

    @property
    def pixels(self) -> int:
        """Return the side of the input images, unless another size is requested."""
        told = re.search(r"_(\d{3})\.", self.timm_id)
        return int(told[1]) if told else self.family.pixels

    @property
    def arch(self) -> str:
        """Return the architecture, such as ``ViT-S/14``."""
        return f"ViT-{SIZES[self._word][0]}/{self.patch}"

    @property
    def depth(self) -> int:
        """Return the number of blocks."""
        return self.family.heads.get(self._word, SIZES[self._word][1:])[0]

    @property
    def heads(self) -> int:
        """Return the heads of a block."""
        return self.family.heads.get(self._word, SIZES[self._word][1:])[1]

    @property
    def origin(self) -> str:
        """Return the origin of the weights: a repository of the Hugging Face hub, or an address.

        A network with QuickGELU uses the same file as the one with GELU.
        """
        return AUTHORS.get(self.timm_id, f"timm/{self.timm_id.replace('_quickgelu', '')}")

    def spec(self, aliases: tuple[str, ...]) -> ModelSpec:
        """Return the spec for the registry."""
        registers = " with registers" if self.member.endswith("-reg") else ""
        satellite = " on satellite images" if self.member.endswith("-sat") else ""
        return ModelSpec(
            name=self.name,
            family=self.family.name,
            supervision=self.family.supervision,
            summary=f"{self.family.title} {self.arch}{registers}{satellite} at {self.pixels}",
            factory="teachmatters.models.timm_ids:open_timm",
            aliases=aliases,
            arch=self.arch,
            patch_size=self.patch,
            image_size=self.pixels,
            depth=self.depth,
            heads=self.heads,
            licence=self.family.licence,
            source=shown(self.origin),
            citation=self.family.citation,
            resizable=True,
        )


NAMED = {model.name: model for family in FAMILIES for model in (TimmNamed(family, member) for member in family.members)}


def timm_specs() -> list[ModelSpec]:
    """Return the specs of all named models that timm publishes; a bare family name means its B, else its first.

    >>> [spec.name for spec in timm_specs() if "ijepa" in spec.aliases]
    ['ijepa-h14']
    """
    alone = {_alone(family): family.name for family in FAMILIES}
    return [model.spec((alone[name],) if name in alone else ()) for name, model in NAMED.items()]


def _alone(family: TimmFamily) -> str:
    member = next((member for member in family.members if member.startswith("b")), next(iter(family.members)))
    return f"{family.name}-{member}"
