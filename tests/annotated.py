"""Small data sets with annotations in the official layouts, seeded like tests/fixtures.py."""

from __future__ import annotations

import json
import math
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from tests.fixtures import image, rng


def write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content))


def coco(root: Path | str, n: int = 12) -> None:
    """images/val2017 and annotations/instances_val2017.json, polygons and one crowd in RLE."""
    im, an = Path(root) / "images" / "val2017", Path(root) / "annotations"
    im.mkdir(parents=True, exist_ok=True)
    an.mkdir(parents=True, exist_ok=True)
    cats = [{"id": k, "name": f"thing{k}", "supercategory": "thing"} for k in (1, 3, 7, 44)]
    images: list[dict[str, Any]] = []
    anns: list[dict[str, Any]] = []
    aid = 1
    for i in range(n):
        g = rng("coco", i)
        w, h = (320, 240) if i % 2 else (240, 320)
        p = image(f"coco{i}", w, h, 300 + i % 5)
        dr = ImageDraw.Draw(p)
        images.append({"id": i + 1, "file_name": f"{i + 1:012d}.jpg", "width": w, "height": h})
        for _ in range(1 + i % 3):
            cx, cy, r = g.uniform(50, w - 50), g.uniform(50, h - 50), g.uniform(25, 70)
            pts = [(cx + r * math.cos(t), cy + r * 0.8 * math.sin(t)) for t in np.linspace(0, 6.28, 14)]
            cat = int(g.choice([1, 3, 7, 44]))
            dr.polygon(pts, fill=tuple(int(v) for v in rng("catcol", cat).integers(0, 255, 3)))
            anns.append(
                {
                    "id": aid,
                    "image_id": i + 1,
                    "category_id": cat,
                    "iscrowd": 0,
                    "area": 100.0,
                    "bbox": [cx - r, cy - r, 2 * r, 2 * r],
                    "segmentation": [[float(v) for xy in pts for v in xy]],
                }
            )
            aid += 1
        if i % 4 == 3:  # a crowd: uncompressed run lengths, column-major, starting with background
            x0, x1, y0, y1 = w // 2, w - 20, 30, 80
            counts, at = [], 0
            for x in range(x0, x1):
                start = x * h + y0
                counts += [start - at, y1 - y0]
                at = start + y1 - y0
            counts.append(w * h - at)
            anns.append(
                {
                    "id": aid,
                    "image_id": i + 1,
                    "category_id": 44,
                    "iscrowd": 1,
                    "area": float((x1 - x0) * (y1 - y0)),
                    "bbox": [x0, y0, x1 - x0, y1 - y0],
                    "segmentation": {"size": [h, w], "counts": counts},
                }
            )
            aid += 1
        p.save(im / f"{i + 1:012d}.jpg", quality=95)
    write_json(an / "instances_val2017.json", {"images": images, "annotations": anns, "categories": cats})


def partimagenet(root: Path | str) -> None:
    """The original release: {train,val,test}.json, {split}/<wnid>/<file>, broken polygons and .DS_Store among them."""
    root = Path(root)
    aid = 1
    classes = {"train": ["n01440764", "n02006656"], "val": ["n01443537"], "test": ["n02009912"]}
    cats = [
        {"id": 0, "name": "Fish Head", "supercategory": "Fish"},
        {"id": 1, "name": "Fish Body", "supercategory": "Fish"},
        {"id": 5, "name": "Bird Head", "supercategory": "Bird"},
        {"id": 7, "name": "Bird Wing", "supercategory": "Bird"},
    ]
    index: dict[str, list[str]] = {}
    for split, wnids in classes.items():
        images: list[dict[str, Any]] = []
        anns: list[dict[str, Any]] = []
        for w in wnids:
            index[str(len(index))] = [w, "class_" + w]
            d = root / split / w
            d.mkdir(parents=True, exist_ok=True)
            (d / ".DS_Store").write_bytes(b"x")
            for i in range(3):
                g = rng("pin", w, i)
                W, H = (300, 240) if i % 2 else (240, 300)
                p = image(f"pin{w}{i}", W, H, 800 + len(index))
                dr = ImageDraw.Draw(p)
                name = f"{w}_{i:04d}.JPEG"
                images.append({"id": len(images), "file_name": name, "width": W, "height": H})
                for c in (0, 1) if w in ("n01440764", "n01443537") else (5, 7):
                    cx, cy, r = g.uniform(80, W - 80), g.uniform(80, H - 80), g.uniform(30, 60)
                    pts = [(cx + r * math.cos(t), cy + r * math.sin(t)) for t in np.linspace(0, 6.28, 12)]
                    dr.polygon(pts, fill=tuple(int(v) for v in rng("pincol", c).integers(0, 255, 3)))
                    anns.append(
                        {
                            "id": aid,
                            "image_id": len(images) - 1,
                            "category_id": c,
                            "iscrowd": 0,
                            "area": 9.0,
                            "bbox": [cx - r, cy - r, 2 * r, 2 * r],
                            "segmentation": [[float(v) for q in pts for v in q]],
                        }
                    )
                    aid += 1
                if i == 2:
                    anns.append(
                        {
                            "id": aid,
                            "image_id": len(images) - 1,
                            "category_id": anns[-1]["category_id"],
                            "iscrowd": 0,
                            "area": 0.0,
                            "bbox": [1, 1, 2, 2],
                            "segmentation": [[1.0, 1.0, 2.0, 2.0]],
                        }
                    )
                    aid += 1
                p.save(d / name, quality=95)
        write_json(root / f"{split}.json", {"images": images, "annotations": anns, "categories": cats})
    write_json(root / "imagenet_class_index.json", index)


def retrieval(root: Path | str, name: str = "roxford5k", n: int = 40, q: int = 6) -> None:
    d = Path(root) / name / "jpg"
    d.mkdir(parents=True, exist_ok=True)
    imlist = [f"im_{i:04d}" for i in range(n)]
    qim = [f"q_{i:02d}" for i in range(q)]
    for i, s in enumerate(imlist):
        image(f"{name}{s}", 300, 220, 500 + i % q).save(d / f"{s}.jpg", quality=95)
    for i, s in enumerate(qim):
        image(f"{name}{s}", 220, 300, 500 + i).save(d / f"{s}.jpg", quality=95)
    gnd = []
    for i in range(q):
        g = rng("gnd", i)
        pos = np.array([j for j in range(n) if j % q == i])
        g.shuffle(pos)
        other = np.array([j for j in range(n) if j % q != i])
        g.shuffle(other)
        gnd.append(
            {
                "bbx": [10.0, 10.0, 200.0, 200.0],
                "easy": pos[:2],
                "hard": pos[2:5],
                "junk": np.concatenate([pos[5:], other[:2]]),
            }
        )
    with (Path(root) / name / f"gnd_{name}.pkl").open("wb") as file:
        pickle.dump({"imlist": imlist, "qimlist": qim, "gnd": gnd}, file)


def _box(points: list[list[int]]) -> list[int]:
    x = np.array(points)
    return [int(x[:, 0].min() - 9), int(x[:, 1].min() - 9), int(x[:, 0].max() + 9), int(x[:, 1].max() + 9)]


def spair(root: Path | str, cats: Sequence[str] = ("cat", "bus"), pairs: int = 8) -> None:
    root = Path(root)
    for c in cats:
        for s in ("JPEGImages", "ImageAnnotation"):
            (root / s / c).mkdir(parents=True, exist_ok=True)
        (root / "PairAnnotation" / "test").mkdir(parents=True, exist_ok=True)
        sizes, kps = {}, {}
        for i in range(pairs + 1):
            g = rng("spair", c, i)
            w, h = (300, 225) if i % 2 else (200, 280)
            name = f"2008_{i:06d}"
            size, cx, cy = g.uniform(0.9, 1.15), w * g.uniform(0.45, 0.55), h * g.uniform(0.45, 0.55)
            p = image(f"spair{c}", w, h, 700 + cats.index(c))
            dr = ImageDraw.Draw(p)
            pts = []
            for k in range(8):
                t, r = 0.785 * k, size * (60 + 25 * (k % 2))
                x, y = cx + r * math.cos(t), cy + r * math.sin(t)
                dr.ellipse(
                    [x - 17, y - 17, x + 17, y + 17], fill=tuple(int(v) for v in rng("kp", c, k).integers(0, 255, 3))
                )
                pts.append([int(x), int(y)])
            p.save(root / "JPEGImages" / c / f"{name}.jpg", quality=95)
            sizes[i], kps[i] = (w, h), pts
            bb = [int(cx - 80), int(cy - 80), int(cx + 80), int(cy + 80)]
            write_json(
                root / "ImageAnnotation" / c / f"{name}.json",
                {
                    "filename": name + ".jpg",
                    "image_width": w,
                    "image_height": h,
                    "bndbox": bb,
                    "category": c,
                    "kps": {str(k): (pts[k] if k != 5 else None) for k in range(8)},
                },
            )
        for i in range(pairs):
            ids = [k for k in range(8) if k != 5 and (k + i) % 4]
            a, b = i, i + 1

            write_json(
                root / "PairAnnotation" / "test" / f"{i:06d}-2008_{a:06d}-2008_{b:06d}_{c}.json",
                {
                    "pair_id": i,
                    "filename": f"{i:06d}-2008_{a:06d}-2008_{b:06d}:{c}",
                    "src_imname": f"2008_{a:06d}.jpg",
                    "trg_imname": f"2008_{b:06d}.jpg",
                    "src_imsize": [*sizes[a], 3],
                    "trg_imsize": [*sizes[b], 3],
                    "src_bndbox": _box(kps[a]),
                    "trg_bndbox": _box(kps[b]),
                    "category": c,
                    "src_kps": [kps[a][k] for k in ids],
                    "trg_kps": [kps[b][k] for k in ids],
                    "kps_ids": [str(k) for k in ids],
                    "mirror": 0,
                    "viewpoint_variation": 0,
                    "scale_variation": 0,
                    "truncation": 0,
                    "occlusion": 0,
                },
            )


def davis(root: Path | str, videos: int = 2, frames: int = 6) -> None:
    root = Path(root)
    names = []
    pal = rng("palette").integers(0, 255, (256, 3))
    pal[0] = 0
    for v in range(videos):
        name = f"clip{v}"
        names.append(name)
        for s in ("JPEGImages", "Annotations"):
            (root / s / "480p" / name).mkdir(parents=True, exist_ok=True)
        bg = image(f"davis{v}", 160, 120, 900 + v).resize((320, 240))
        for f in range(frames):
            p, m = bg.copy(), Image.new("P", (320, 240), 0)
            m.putpalette([int(x) for x in pal.ravel()])
            dp, dm = ImageDraw.Draw(p), ImageDraw.Draw(m)
            for o in range(1 + v):
                x, y = 60 + 90 * o + 9 * f, 70 + 60 * o + (3 - 6 * o) * f
                col = tuple(int(c) for c in rng("obj", v, o).integers(0, 255, 3))
                dp.ellipse([x - 40, y - 34, x + 40, y + 34], fill=col)
                if f:
                    dm.ellipse([x - 43, y - 37, x + 43, y + 37], fill=255)
                dm.ellipse([x - 40, y - 34, x + 40, y + 34], fill=o + 1)
            p.save(root / "JPEGImages" / "480p" / name / f"{f:05d}.jpg", quality=95)
            m.save(root / "Annotations" / "480p" / name / f"{f:05d}.png")
    (root / "ImageSets" / "2017").mkdir(parents=True, exist_ok=True)
    (root / "ImageSets" / "2017" / "val.txt").write_text("\n".join(names) + "\n")


def voc(root: Path | str, train: int = 10, val: int = 7) -> None:
    base = Path(root) / "VOCdevkit" / "VOC2012"
    for s in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (base / s).mkdir(parents=True, exist_ok=True)
    palette = [int(v) for v in rng("vocpal").integers(0, 255, 768)]
    for split, members in (("train", range(train)), ("val", range(val))):
        names = [f"{2007 + (split == 'val')}_{i:06d}" for i in members]
        for i, name in enumerate(names):
            g = rng("voc", split, i)
            w, h = (300, 225) if i % 2 else (225, 300)
            p, m = image(f"voc{split}{i}", w, h, 950 + i % 3), Image.new("P", (w, h), 0)
            m.putpalette(palette)
            dp, dm = ImageDraw.Draw(p), ImageDraw.Draw(m)
            for _ in range(1 + i % 3):
                c = int(g.choice([1, 8, 12, 15]))
                cx, cy, r = g.uniform(50, w - 50), g.uniform(50, h - 50), g.uniform(30, 75)
                box = [cx - r, cy - 0.8 * r, cx + r, cy + 0.8 * r]
                dp.ellipse(box, fill=tuple(int(v) for v in rng("voccol", c).integers(0, 255, 3)))
                dm.ellipse(box, fill=c, outline=255, width=4)
            p.save(base / "JPEGImages" / f"{name}.jpg", quality=95)
            m.save(base / "SegmentationClass" / f"{name}.png")
        (base / "ImageSets" / "Segmentation" / f"{split}.txt").write_text("\n".join(names) + "\n")
