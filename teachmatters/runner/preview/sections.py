"""Sections of a contact sheet: one function for each kind of data draws a heading and examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from teachmatters.api import VOID, Box, IndexMask, Item, Mask, Pair, Points, SemanticMask
from teachmatters.runner.preview import tiles
from teachmatters.runner.preview.source import COLUMNS, TILE, WIDTH, Source, spread
from teachmatters.runner.preview.tiles import FAINT, GAP, INK, Colour

# Number and colour of the examples of each relevance; with the query they fill a row.
RELEVANCE: Mapping[str, tuple[int, Colour]] = {
    "easy": (3, (0, 130, 90)),
    "hard": (2, (190, 90, 0)),
    "junk": (2, (120, 120, 120)),
}

YELLOW: Colour = (255, 210, 0)
HALF = (WIDTH - 3 * GAP) // 4
MISSING = "cannot be read"


def images(source: Source) -> Image.Image:
    """Draw images with their class and caption."""
    items, classes = source.items(), source.dataset.classes
    labelled = source.kind == "labels"
    ordered = sorted(items, key=lambda item: item.label or 0) if labelled else items
    heading = source.heading(_count(items, "image") + (f", {_count(classes, 'class')}" if labelled else ""), classes)
    cells = []
    for item in spread(ordered, COLUMNS if len(classes) <= COLUMNS else 2 * COLUMNS):
        name = classes[item.label] if labelled and item.label is not None else item.key.rsplit("/", 1)[-1]
        words = [tiles.words(name, TILE), tiles.paragraph(source.dataset.caption(item), TILE, 3)]
        cells.append(tiles.stack([_tile(source, item), *words], gap=3))
    return tiles.stack([heading, *(tiles.row(cells[i : i + COLUMNS]) for i in range(0, len(cells), COLUMNS))])


def masks(source: Source) -> Image.Image:
    """Draw objects or parts in the colour of their category, with the names of the categories below."""
    items, categories = source.items(), source.dataset.categories(source.kind)
    heading = source.heading(f"{_count(items, 'image')}, {_count(categories, 'category')}", categories)
    row = []
    for item in spread(items, COLUMNS):
        found = [mask for value in source.annotations(item).values() for mask in value]
        labels = list(dict.fromkeys(mask.label for mask in found))
        row.append(tiles.stack([_tile(source, item, found), *_legend(categories, labels)], gap=3))
    return tiles.stack([heading, tiles.row(row)])


def semantic(source: Source) -> Image.Image:
    """Draw images with every pixel in the colour of its class, void in grey, and the names of the classes below."""
    items, categories = source.items("queries"), source.dataset.categories(source.kind)
    heading = source.heading(f"{_count(items, 'image')}, {_count(categories, 'class')}", categories)
    row = []
    for item in spread(items, COLUMNS):
        known = list(source.annotations(item).values())
        labels = sorted({label for mask in known for label in np.unique(mask.pixels).tolist()} - {VOID})
        row.append(tiles.stack([_tile(source, item, known), *_legend(categories, labels)], gap=3))
    return tiles.stack([heading, tiles.row(row)])


def _legend(categories: Sequence[str], labels: Sequence[int], most: int = 6) -> list[Image.Image]:
    """Draw the names of categories, each in its colour."""
    names = [tiles.words(f"■ {_name(categories, label)}", TILE, ink=_dark(tiles.colour(label))) for label in labels]
    more = [tiles.words(f"and {len(labels) - most} more", TILE, ink=FAINT)] if len(labels) > most else []
    none = [tiles.words("nothing annotated", TILE, ink=FAINT)] if not labels else []
    return [*names[:most], *more, *none]


def retrieval(source: Source) -> Image.Image:
    """Draw rows of a query with its box, and some of its easy, hard and junk images."""
    queries, gallery = source.items("queries"), source.items("gallery")
    rows = [source.heading(f"{_count(queries, 'query')}, {_count(gallery, 'image')} in the gallery")]
    for query in spread(queries, 4):
        annotations = source.annotations(query)
        row = [tiles.stack([_tile(source, query, [annotations.get("box")]), tiles.words("query", TILE)], gap=3)]
        for relevance, (count, ink) in RELEVANCE.items():
            members = list(annotations.get(relevance, ()))
            chosen = spread(members, count)
            for column in range(count):
                drawn = _tile(source, gallery[chosen[column]]) if column < len(chosen) else _blank()
                text = f"{relevance}, {len(members)} in all" if column == 0 else ""
                row.append(tiles.stack([drawn, tiles.words(text, TILE, ink=ink)], gap=3))
        rows.append(tiles.row(row))
    return tiles.stack(rows)


def videos(source: Source) -> Image.Image:
    """Draw rows of frames with their objects."""
    frames: dict[str, list[Item]] = {}
    for item in source.items():
        frames.setdefault(item.group, []).append(item)
    counts = f"{_count(frames, 'video')}, {_count(source.items(), 'frame')}"
    rows = [source.heading(counts)]
    for name in spread(list(frames), 4):
        strip = []
        for number in spread(range(len(frames[name])), COLUMNS):
            item = frames[name][number]
            text = f"frame {number + 1}" if number else f"{name}, {_count(frames[name], 'frame')}"
            ink = FAINT if number else INK
            drawn = _tile(source, item, list(source.annotations(item).values()))
            strip.append(tiles.stack([drawn, tiles.words(text, TILE, ink=ink)], gap=3))
        rows.append(tiles.row(strip))
    return tiles.stack(rows)


def pairs(source: Source) -> Image.Image:
    """Draw pairs with boxes and lines between corresponding keypoints, two pairs to a row."""
    items, every = source.items(), source.dataset.pairs()
    categories = list(dict.fromkeys(pair.category for pair in every))
    ordered = sorted(every, key=lambda pair: categories.index(pair.category))
    drawn = [_pair(source, items, pair) for pair in spread(ordered, COLUMNS)]
    rows = [tiles.row(drawn[i : i + 2]) for i in range(0, len(drawn), 2)]
    counts = f"{_count(every, 'pair')} of {_count(items, 'image')}, {_count(categories, 'category')}"
    return tiles.stack([source.heading(counts, categories), *rows])


def _pair(source: Source, items: Sequence[Item], pair: Pair) -> Image.Image:
    sides, ends = [], []
    both_sides = (pair.source, pair.source_points), (pair.target, pair.target_points)
    for side, (index, numbers) in enumerate(both_sides):
        shown, annotations = source.shown(items[index], HALF, HALF), source.annotations(items[index])
        if shown is None:
            sides.append(_unreadable(HALF))
            continue
        image, scale = shown
        points: Points = annotations["points"]
        start = np.array([side * (HALF + GAP) + (HALF - image.width) // 2, (HALF - image.height) // 2])
        ends.append(points.xy[list(numbers)] * scale + start)
        sides.append(tiles.centred(tiles.boxed(image, annotations["box"], scale, YELLOW), HALF, HALF))
    both = tiles.row(sides)
    if len(ends) == 2:
        tiles.joined(both, [[(float(x), float(y)) for x, y in line] for line in zip(*ends, strict=True)])
    difficult = "".join(f", {name} {value}" for name, value in pair.difficulty.items() if value)
    text = f"{pair.category}, {_count(pair.source_points, 'keypoint')}{difficult}"
    return tiles.stack([both, tiles.words(text, both.width)], gap=3)


def _tile(source: Source, item: Item, annotations: Sequence[Any] = ()) -> Image.Image:
    """Draw an image in its field, with its masks and boxes; other annotations are ignored."""
    shown = source.shown(item)
    if shown is None:
        return _unreadable(TILE)
    image, scale = shown
    for known in annotations:
        if isinstance(known, Mask):
            image = tiles.overlaid(image, known.pixels, tiles.colour(known.label))
        elif isinstance(known, Box):
            image = tiles.boxed(image, known, scale, YELLOW)
        elif isinstance(known, IndexMask | SemanticMask):
            first = 0 if isinstance(known, SemanticMask) else 1  # 0 is a class, and no object
            for number in np.unique(known.pixels[known.pixels >= first]).tolist():
                tint = FAINT if number == VOID else tiles.colour(number - first)
                image = tiles.overlaid(image, (known.pixels == number).astype(np.uint8), tint)
    return tiles.centred(image, TILE, TILE)


def _unreadable(side: int) -> Image.Image:
    return tiles.centred(tiles.words(MISSING, 100, ink=FAINT, ground=tiles.GROUND), side, side)


def _blank() -> Image.Image:
    return Image.new("RGB", (TILE, TILE), tiles.PAPER)


def _name(categories: Sequence[str], label: int) -> str:
    return categories[label] if label < len(categories) else f"category {label}"


def _dark(colour: Colour) -> Colour:
    """Return a colour that is legible on white."""
    red, green, blue = (round(channel * 0.7) for channel in colour)
    return red, green, blue


def _count(things: Any, name: str) -> str:
    """Return the number of things with a noun.

    >>> _count("ab", "category"), _count("a", "query"), _count("abc", "class")
    ('2 categories', '1 query', '3 classes')
    """
    if len(things) == 1:
        return f"1 {name}"
    plural = f"{name[:-1]}ies" if name.endswith("y") else f"{name}es" if name.endswith("s") else f"{name}s"
    return f"{len(things):,} {plural}"
