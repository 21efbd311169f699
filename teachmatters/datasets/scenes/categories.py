"""The twelve categories: each is a skeleton of named parts that rotate about joints.

Lengths are in units of the object. Objects face right; angles are in degrees from the parent's axis, from right to
down; ``at`` is the joint in the parent, along its length (0..1) and across its half width (-1..1).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a skeleton.

    Attributes:
        name: unique in its category; its keypoints are called after it.
        shape: of shapes.OUTLINES.
        length, width: before the proportions of an individual.
        parent: the part that it is attached to; empty for the root.
        at: position of the joint in the parent.
        angle, swing: at rest, and the largest rotation in either direction.
        label: the annotated part that it belongs to; None for its own name, empty for no part.
        depth: parts of a smaller depth are drawn first; those below 0 are on the far side, in shade.
        colour: of looks.COLOURS; the usual colour of this part, independent of the individual's.
    """

    name: str
    shape: str
    length: float
    width: float
    parent: str = ""
    at: tuple[float, float] = (0.0, 0.0)
    angle: float = 0.0
    swing: float = 10.0
    label: str | None = None
    depth: int = 0
    colour: str = ""

    @property
    def annotated(self) -> str:
        """Return the name of the annotated part, without the category."""
        return self.name if self.label is None else self.label


@dataclass(frozen=True, slots=True)
class Category:
    """A category of objects.

    Attributes:
        colours, coats: the usual ones, of looks.COLOURS and textures.PATTERNS; an individual may have others.
        verbs: for captions.
        grounds: the usual backgrounds, of grounds.MATERIALS.
        sided: True if the object looks different from left and right.
    """

    name: str
    colours: tuple[str, ...]
    coats: tuple[str, ...]
    verbs: tuple[str, ...]
    grounds: tuple[str, ...]
    parts: tuple[Part, ...]
    sided: bool = True


CATEGORIES = (
    Category(
        "bird",
        ("blue", "red"),
        ("banded", "plain"),
        ("flying", "gliding"),
        ("clouds", "grass"),
        (
            Part("body", "drop", 1.0, 0.56, angle=-8),
            Part("far wing", "wing", 0.72, 0.46, "body", (0.62, -0.5), -75, 40, "wing", -1),
            Part("tail", "fan", 0.66, 0.62, "body", (0.14, 0), 180, 25),
            Part("head", "disc", 0.54, 0.5, "body", (1.0, -0.55), -10, 15, colour="grey"),
            Part("beak", "cone", 0.26, 0.18, "head", (0.36, 0.1), 8, 8, "head", colour="grey"),
            Part("eye", "disc", 0.1, 0.1, "head", (0.1, -0.2), label=""),
            Part("near wing", "wing", 0.85, 0.52, "body", (0.6, -0.2), -125, 55, "wing", 1),
        ),
    ),
    Category(
        "fish",
        ("orange", "teal"),
        ("scaly",),
        ("swimming", "drifting"),
        ("water", "sand"),
        (
            Part("body", "ellipse", 1.15, 0.62, swing=8),
            Part("back fin", "wing", 0.42, 0.5, "body", (0.42, -0.7), -105, 25, "fin", -1),
            Part("belly fin", "leaf", 0.42, 0.28, "body", (0.5, 0.65), 115, 30, "fin", -1),
            Part("tail", "fan", 0.48, 0.62, "body", (0.08, 0), 180, 35),
            Part("head", "ellipse", 0.44, 0.54, "body", (0.66, 0), 0, 5),
            Part("eye", "disc", 0.12, 0.12, "head", (0.5, -0.35), label=""),
            Part("side fin", "leaf", 0.32, 0.2, "body", (0.55, 0.15), 150, 35, "fin", 1),
        ),
    ),
    Category(
        "dog",
        ("brown", "black", "white"),
        ("mottled",),
        ("running", "walking"),
        ("grass", "planks"),
        (
            Part("body", "limb", 1.05, 0.46, swing=6),
            Part("far front leg", "limb", 0.56, 0.17, "body", (0.8, 0.6), 85, 35, "leg", -1),
            Part("far hind leg", "limb", 0.56, 0.17, "body", (0.24, 0.6), 95, 35, "leg", -1),
            Part("tail", "leaf", 0.72, 0.42, "body", (0.05, -0.5), 215, 40),
            Part("near front leg", "limb", 0.6, 0.18, "body", (0.9, 0.55), 90, 35, "leg", 1),
            Part("near hind leg", "limb", 0.6, 0.2, "body", (0.12, 0.55), 90, 35, "leg", 1),
            Part("head", "head", 0.68, 0.52, "body", (0.94, -0.75), -12, 28, depth=2),
            Part("ear", "leaf", 0.28, 0.16, "head", (0.2, -0.7), -115, 45, "head", 3),
            Part("eye", "disc", 0.08, 0.08, "head", (0.5, -0.3), label="", depth=3),
        ),
    ),
    Category(
        "truck",
        ("red", "yellow"),
        ("plain",),
        ("driving", "unloading"),
        ("sand", "tiles"),
        (
            Part("frame", "box", 1.5, 0.18, swing=3, label=""),
            Part("bed", "bed", 0.95, 0.5, "frame", (0.02, -1.0), -18, 22),
            Part("cab", "cab", 0.56, 0.72, "frame", (0.66, -2.6), 0, 4),
            Part("window", "box", 0.24, 0.24, "cab", (0.22, -0.4), label=""),
            Part("rear wheel", "disc", 0.46, 0.46, "frame", (0.2, 1.0), 0, 90, "wheel", 1, colour="black"),
            Part("front wheel", "disc", 0.46, 0.46, "frame", (0.8, 1.0), 0, 90, "wheel", 1, colour="black"),
            Part("rear hub", "disc", 0.18, 0.18, "rear wheel", label="", depth=2),
            Part("front hub", "disc", 0.18, 0.18, "front wheel", label="", depth=2),
        ),
    ),
    Category(
        "plane",
        ("white", "grey"),
        ("plain", "striped"),
        ("flying", "banking"),
        ("clouds", "tiles"),
        (
            Part("left wing", "swept", 0.85, 0.36, "fuselage", (0.58, -0.4), -112, 20, "wing", -1),
            Part("right wing", "swept", 0.85, -0.36, "fuselage", (0.58, 0.4), 112, 20, "wing"),
            Part("left fin", "swept", 0.5, 0.4, "fuselage", (0.08, -0.4), -120, 18, "tail", -1, colour="red"),
            Part("right fin", "swept", 0.5, -0.4, "fuselage", (0.08, 0.4), 120, 18, "tail", colour="red"),
            Part("fuselage", "limb", 1.6, 0.3, swing=5),
            Part("cockpit", "ellipse", 0.2, 0.17, "fuselage", (0.8, 0), 0, 3, ""),
        ),
    ),
    Category(
        "chair",
        ("brown", "black"),
        ("striped",),
        ("standing", "left"),
        ("planks", "tiles"),
        (
            Part("seat", "box", 0.85, 0.28, swing=5),
            Part("back leg", "limb", 0.62, 0.15, "seat", (0.24, 0), 96, 14, "leg", -1),
            Part("side leg", "limb", 0.62, 0.15, "seat", (0.74, 0), 84, 14, "leg", -1),
            Part("rear leg", "limb", 0.7, 0.16, "seat", (0.08, 0), 98, 14, "leg"),
            Part("front leg", "limb", 0.7, 0.16, "seat", (0.92, 0), 82, 14, "leg"),
            Part("back", "box", 0.85, 0.24, "seat", (0.07, 0), -102, 18, depth=1),
        ),
    ),
    Category(
        "lamp",
        ("yellow", "teal", "black"),
        ("plain",),
        ("standing", "shining"),
        ("planks", "tiles"),
        (
            Part("base", "tower", 0.3, 0.84, angle=-90, swing=3, depth=1, colour="grey"),
            Part("lower arm", "limb", 0.78, 0.16, "base", (0.7, 0), -18, 25, "arm", colour="grey"),
            Part("upper arm", "limb", 0.72, 0.15, "lower arm", (0.94, 0), 62, 32, "arm", colour="grey"),
            Part("shade", "shade", 0.56, 0.62, "upper arm", (0.95, 0), 55, 35, depth=1),
        ),
    ),
    Category(
        "flower",
        ("pink", "purple"),
        ("plain", "mottled"),
        ("growing", "blooming"),
        ("grass", "sand"),
        (
            Part("stem", "limb", 1.05, 0.25, angle=-90, swing=12, colour="green"),
            Part("left leaf", "leaf", 0.6, 0.26, "stem", (0.2, 0), -62, 28, "leaf", colour="green"),
            Part("right leaf", "leaf", 0.6, 0.26, "stem", (0.32, 0), 62, 28, "leaf", colour="green"),
            Part("core", "disc", 0.36, 0.36, "stem", (1.0, 0), 0, 20, "blossom", 3),
            Part("first petal", "petal", 0.48, 0.34, "core", (0, 0), 0, 14, "blossom", 1),
            Part("second petal", "petal", 0.48, 0.34, "core", (0, 0), 72, 14, "blossom", 1),
            Part("third petal", "petal", 0.48, 0.34, "core", (0, 0), 144, 14, "blossom", 1),
            Part("fourth petal", "petal", 0.48, 0.34, "core", (0, 0), -144, 14, "blossom", 1),
            Part("fifth petal", "petal", 0.48, 0.34, "core", (0, 0), -72, 14, "blossom", 1),
        ),
        sided=False,
    ),
    Category(
        "butterfly",
        ("orange", "blue"),
        ("spotted",),
        ("fluttering", "resting"),
        ("clouds", "grass"),
        (
            Part("left hindwing", "petal", 0.62, 0.52, "body", (0.35, -0.3), -125, 22, "hindwing", -1),
            Part("right hindwing", "petal", 0.62, 0.52, "body", (0.35, 0.3), 125, 22, "hindwing", -1),
            Part("left forewing", "petal", 0.9, 0.58, "body", (0.66, -0.3), -62, 22, "forewing", -1),
            Part("right forewing", "petal", 0.9, 0.58, "body", (0.66, 0.3), 62, 22, "forewing", -1),
            Part("body", "leaf", 1.05, 0.26, angle=-90, swing=8, colour="black"),
            Part("left feeler", "limb", 0.34, 0.05, "body", (0.95, 0), -24, 14, ""),
            Part("right feeler", "limb", 0.34, 0.05, "body", (0.95, 0), 24, 14, ""),
        ),
        sided=False,
    ),
    Category(
        "boat",
        ("brown", "blue"),
        ("banded", "plain"),
        ("sailing", "anchored"),
        ("water", "clouds"),
        (
            Part("mast", "limb", 1.25, 0.07, "hull", (0.5, -0.5), -90, 5, ""),
            Part("jib", "sail", 0.52, -0.85, "mast", (0.5, 0.0), 90, 12, depth=1, colour="white"),
            Part("mainsail", "sail", 0.6, 1.1, "mast", (0.55, 0.0), -90, 14, depth=1, colour="white"),
            Part("hull", "hull", 1.4, 0.4, swing=6, depth=2),
        ),
    ),
    Category(
        "person",
        ("purple", "blue", "green"),
        ("checked",),
        ("dancing", "walking"),
        ("planks", "sand"),
        (
            Part("torso", "limb", 0.7, 0.5, angle=-90, swing=10),
            Part("far arm", "limb", 0.42, 0.22, "torso", (0.9, 0.35), 170, 70, "arm", -1),
            Part("far forearm", "limb", 0.42, 0.21, "far arm", (0.92, 0), -35, 50, "arm", -1),
            Part("far leg", "limb", 0.46, 0.25, "torso", (0.06, 0.3), 170, 32, "leg", -1),
            Part("far shin", "limb", 0.46, 0.23, "far leg", (0.92, 0), 18, 25, "leg", -1),
            Part("near leg", "limb", 0.46, 0.26, "torso", (0.06, -0.3), 190, 32, "leg", -1),
            Part("near shin", "limb", 0.46, 0.24, "near leg", (0.92, 0), 18, 25, "leg", -1),
            Part("head", "disc", 0.52, 0.5, "torso", (1.3, 0), 0, 12, colour="pink"),
            Part("near arm", "limb", 0.42, 0.23, "torso", (0.9, -0.45), 200, 70, "arm", 1),
            Part("near forearm", "limb", 0.42, 0.22, "near arm", (0.92, 0), -35, 50, "arm", 1),
        ),
    ),
    Category(
        "crab",
        ("red", "orange"),
        ("spotted", "plain"),
        ("crawling", "waiting"),
        ("water", "sand"),
        (
            *(
                Part(f"{side} {order} leg", "limb", 0.52, 0.16, "body", (0.22 * s, 0.1), 90 - s * turn, 14, "leg", -1)
                for side, s in (("left", -1), ("right", 1))
                for order, turn in (("fore", 70), ("middle", 42), ("hind", 16))
            ),
            Part("left arm", "limb", 0.42, 0.15, "body", (-0.36, -0.4), -140, 18, "claw"),
            Part("right arm", "limb", 0.42, 0.15, "body", (0.36, -0.4), -40, 18, "claw"),
            Part("left claw", "claw", 0.52, 0.42, "left arm", (0.9, 0), 52, 28, "claw", 1),
            Part("right claw", "claw", 0.52, 0.42, "right arm", (0.9, 0), -52, 28, "claw", 1),
            Part("body", "shell", 0.95, 0.64, swing=6),
            Part("left eye", "disc", 0.13, 0.13, "body", (-0.16, -0.7), label="", depth=1),
            Part("right eye", "disc", 0.13, 0.13, "body", (0.16, -0.7), label="", depth=1),
        ),
        sided=False,
    ),
)

CLASSES = tuple(category.name for category in CATEGORIES)

# The annotated parts of all categories: ``bird body``, ``bird wing``, ...
PARTS = tuple(
    f"{category.name} {label}"
    for category in CATEGORIES
    for label in dict.fromkeys(part.annotated for part in category.parts if part.annotated)
)
