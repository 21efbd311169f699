"""The contract of a data set: a cheap spec, and an ordered list of items. Images are read on demand."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from teachmatters.api.annotation import Pair
from teachmatters.api.parameter import Parameter, Parameters

if TYPE_CHECKING:
    from PIL.Image import Image

# The kinds of data that an analysis can need:
#
# - ``images``: only the image;
# - ``labels``: the class of each item (``Item.label``);
# - ``masks``, ``parts``: annotated objects, or parts of objects;
# - ``semantic``: the class of each pixel;
# - ``retrieval``: queries, each with its easy, hard and junk items of the gallery;
# - ``videos``: frames, grouped by video (``Item.group``) and in order, with object masks;
# - ``pairs``: pairs of images with matching keypoints (``Item.units`` numbers the pairs).
Kind: TypeAlias = Literal["images", "labels", "masks", "parts", "semantic", "retrieval", "videos", "pairs"]

Role: TypeAlias = Literal["all", "queries", "gallery"]


@dataclass(frozen=True, slots=True)
class Item:
    """One image of a data set.

    Attributes:
        key: its relative path, or any other text that identifies it within the data set. Items with the same key share
            one transformed image, so an image that is transformed in two ways (cropped as a query, whole in the
            gallery) needs two keys.
        size: its bytes on disk; 0 for a drawn image.
        label: its class, an index into ``Dataset.classes``.
        group: the video, or other group of items that belong together.
        units: the numbers of the units of ``--limit`` that need this item, such as its video or its pairs. None: the
            item itself is the unit.
    """

    key: str
    size: int
    label: int | None = None
    group: str = ""
    units: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSpec:
    """A named data set.

    Attributes:
        name: ``imagenet50``.
        summary: one line.
        kinds: the kinds of data that it can offer.
        factory: ``module:callable`` that takes a DatasetRequest and returns a Dataset.
        parameters: the parameters that ``--param`` can set.
        bundled: whether it needs no data root.
        folder: its folder under TM_DATA or ``--data-root``.
        requires: patterns of files or folders that identify the data set; of ``a|b``, one is enough.
        layout: a description of the expected layout, for messages.
        source, licence, citation: where to get it, its terms, and what to cite.
        version: part of the fingerprint; raise it whenever the same files give other images, labels or annotations,
            so that no old number or feature is taken for a new one.
    """

    name: str
    summary: str
    kinds: frozenset[Kind]
    factory: str
    parameters: tuple[Parameter, ...] = ()
    bundled: bool = False
    folder: str = ""
    requires: tuple[str, ...] = ()
    layout: str = ""
    source: str = ""
    licence: str = ""
    citation: str = ""
    version: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetRequest:
    """A request for a data set. ``root`` exists and holds what the spec requires; None for a bundled data set."""

    spec: DatasetSpec
    root: Path | None = None
    parameters: Parameters = field(default_factory=dict)
    seed: int = 0


class Dataset(ABC):
    """An open data set. Opening it lists the items; images are read one at a time, from any thread.

    Attributes:
        kinds: the kinds that it actually offers (a folder without class directories has no labels).
        classes: the names of the classes, indexed by ``Item.label``.
    """

    kinds: frozenset[Kind]
    classes: Sequence[str] = ()

    @abstractmethod
    def items(self, kind: Kind, role: Role) -> Sequence[Item] | None:
        """Return the items in the data set's order, or None if it does not divide this kind into gallery and queries.

        For None, the runner divides ``all``: items with odd index (from 0) are the queries, the rest the gallery.
        """

    @abstractmethod
    def image(self, item: Item) -> Image:
        """Return the whole image, in RGB.

        Raises:
            OSError, ValueError, SyntaxError: the image cannot be read; the runner skips and counts it.
        """

    def split(self, kind: Kind) -> str:
        """Return the name of the split, such as ``val``; ``all`` when there is only one."""
        return "all"

    def annotations(self, item: Item, kind: Kind) -> Mapping[str, Any]:
        """Return the annotations of an item, in pixels of the image.

        ``teachmatters.api.annotation`` has the names and types of each kind.
        """
        return {}

    def categories(self, kind: Kind) -> Sequence[str]:
        """Return the names of the categories, indexed by the labels of ``masks``, ``parts`` or ``semantic``."""
        return ()

    def pairs(self) -> Sequence[Pair]:
        """Return the pairs of the items of kind ``pairs``; ``Item.units`` numbers them."""
        return ()

    def caption(self, item: Item) -> str:
        """Return a description of the image in words; empty when nothing is known.

        >>> from teachmatters.datasets.digits import open_digits
        >>> digits = open_digits(None)
        >>> digits.caption(digits.items("labels", "all")[3])
        'an image of a 3'
        """
        return "" if item.label is None else f"an image of a {self.classes[item.label]}"

    def annotation_files(self, kind: Kind) -> Sequence[Path]:
        """Return the files whose bytes are part of the fingerprint."""
        return ()

    def missing(self, kind: Kind) -> Sequence[str]:
        """Return the missing annotation files, as paths in the data set, for ``tm datasets``.

        Missing images are not listed: they are items of size 0.
        """
        return ()

    def remarks(self, kind: Kind, items: Mapping[Role, Sequence[Item]]) -> Sequence[str]:
        """Return sentences that a reader of the numbers must know: gaps, unread files, unusual classes.

        A run prints them once to standard error and keeps them in its notes.

        Args:
            kind: the kind of data.
            items: the items in use, by role.
        """
        return ()
