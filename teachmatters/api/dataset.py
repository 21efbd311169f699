"""The contract of a data set: a cheap spec, and an ordered list of items whose images are read on demand."""

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

Kind: TypeAlias = Literal["images", "labels", "masks", "parts", "semantic", "retrieval", "videos", "pairs"]
"""What an analysis needs of its items:

- ``images``: nothing but the image;
- ``labels``: a class for each item (``Item.label``);
- ``masks``, ``parts``: annotated objects, or parts of objects;
- ``semantic``: a class for each pixel;
- ``retrieval``: queries with their easy, hard and junk items of the gallery;
- ``videos``: frames, grouped by video (``Item.group``) and in order, with object masks;
- ``pairs``: images that stand in pairs with matching keypoints (``Item.units`` numbers the pairs).
"""

Role: TypeAlias = Literal["all", "queries", "gallery"]


@dataclass(frozen=True, slots=True)
class Item:
    """One image of a data set.

    Attributes:
        key: its relative path, or any text that names it within the data set. Items of one key share one prepared
            input, so an image that is to be prepared in two ways (cropped as a query, whole in the gallery) has two.
        size: its bytes on disk (0 for one that is drawn).
        label: index into the data set's classes.
        group: the video, or whatever else may not be parted, that it belongs to.
        units: the numbers of what ``--limit`` counts that need this item: of its video, of the pairs it stands in.
            None: the item itself is the unit.
    """

    key: str
    size: int
    label: int | None = None
    group: str = ""
    units: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSpec:
    """A data set that can be asked for by name.

    Attributes:
        name: ``imagenet50``.
        summary: one line.
        kinds: what it can offer.
        factory: ``module:callable`` taking a DatasetRequest and returning a Dataset.
        parameters: what ``--param`` may set.
        bundled: needs no data root.
        folder: its folder under TM_DATA or ``--data-root``.
        requires: files or folders that show a directory to be this data set: patterns, any one of each ``a|b``.
        layout: the expected layout in words, for messages.
        source, licence, citation: where to get it, and on what terms.
        version: raised whenever the same files come to mean other images, labels or annotations; part of the
            fingerprint, so that no number or feature from before is taken for a new one.
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
    """What the user asked for. ``root`` exists and holds what the spec requires; None for a bundled data set."""

    spec: DatasetSpec
    root: Path | None = None
    parameters: Parameters = field(default_factory=dict)
    seed: int = 0


class Dataset(ABC):
    """An opened data set. Opening lists the items; images are read one at a time, from any thread.

    Attributes:
        kinds: what this one really offers (a folder without class directories has no labels).
        classes: names of the classes that ``Item.label`` counts in.
    """

    kinds: frozenset[Kind]
    classes: Sequence[str] = ()

    @abstractmethod
    def items(self, kind: Kind, role: Role) -> Sequence[Item] | None:
        """The items in the data set's order, or None if it does not divide this kind into gallery and queries.

        For None the runner divides ``all``: items of odd index (from 0) are the queries, the rest the gallery.
        """

    @abstractmethod
    def image(self, item: Item) -> Image:
        """The whole image, RGB.

        Raises:
            OSError, ValueError, SyntaxError: the image cannot be read; the runner skips and counts it.
        """

    def split(self, kind: Kind) -> str:
        """The name of the split that the numbers are about (``val``); ``all`` when there is only one."""
        return "all"

    def annotations(self, item: Item, kind: Kind) -> Mapping[str, Any]:
        """What is known of an item beside its label, in pixels of the image; a transform moves it along.

        The names and types of each kind are those of api/annotation.py.
        """
        return {}

    def categories(self, kind: Kind) -> Sequence[str]:
        """The names that the labels of ``masks``, ``parts`` or ``semantic`` count in."""
        return ()

    def pairs(self) -> Sequence[Pair]:
        """The pairs that the items of kind ``pairs`` stand in; ``Item.units`` numbers them."""
        return ()

    def caption(self, item: Item) -> str:
        """What the image shows, in words; empty when nothing is known.

        >>> from teachmatters.datasets.digits import open_digits
        >>> digits = open_digits(None)
        >>> digits.caption(digits.items("labels", "all")[3])
        'an image of a 3'
        """
        return "" if item.label is None else f"an image of a {self.classes[item.label]}"

    def annotation_files(self, kind: Kind) -> Sequence[Path]:
        """Files whose bytes belong to the fingerprint."""
        return ()

    def missing(self, kind: Kind) -> Sequence[str]:
        """Files of annotations that ought to be there and are not, as paths in the data set; ``tm datasets`` tells.

        Images need not be named: an item of size 0 is one that is not there.
        """
        return ()

    def remarks(self, kind: Kind, items: Mapping[Role, Sequence[Item]]) -> Sequence[str]:
        """Return sentences about what a reader of the numbers must know: gaps, files that were not read, odd classes.

        A run says them once on standard error and keeps them in its notes.

        Args:
            kind: of data.
            items: those that are used, by role.
        """
        return ()
