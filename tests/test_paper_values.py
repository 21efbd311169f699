"""Tests of the numbers of the paper's own code on seeded fixtures, through ``tm analyze`` and the store."""

from __future__ import annotations

import io
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from teachmatters.cli.app import app
from teachmatters.datasets.imagenet50 import fifty_classes
from tests import fixtures

EXPECTED = Path(__file__).parent / "expected"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("fixtures")
    fixtures.save_dino_s16(root / "dino_s16.pth")
    return root


def measured(folder: Path, line: str, where: str) -> list[tuple[int, int | None, float]]:
    words = ["analyze", "--model", "dino-s16", "--weights", str(folder / "dino_s16.pth"), *line.split()]
    answer = CliRunner().invoke(app, [*words, "--db", str(folder / "results.db")])
    assert answer.exit_code == 0, answer.output
    return stored(folder, where)


def stored(folder: Path, where: str) -> list[tuple[int, int | None, float]]:
    with closing(sqlite3.connect(folder / "results.db")) as connection:
        query = f"SELECT layer, head, value FROM results WHERE model = 'dino-s16@dino_s16' AND {where}"
        return connection.execute(query).fetchall()


OF_HEADS = {
    "attn-distance": "distance",
    "attn-offset": "offset",
    "attn-offset-x": "offset_x",
    "attn-offset-y": "offset_y",
}


def test_attention_of_every_head(folder: Path) -> None:
    fixtures.imagenet50(folder / "imagenet50", 4, list(fifty_classes()))
    line = f"--data imagenet50 --data-root {folder / 'imagenet50'} --param per_class=1"
    line += "".join(f" --metric {metric}" for metric in [*OF_HEADS, "attn-head-std", "attn-map-aligned"])
    expected = json.loads((EXPECTED / "attention.json").read_text())
    measured(folder, line, "FALSE")
    for metric, name in OF_HEADS.items():
        rows = stored(folder, f"metric = '{metric}' AND head IS NOT NULL AND setting = 'per_class=1'")
        assert len(rows) == 12 * 6
        assert max(abs(expected[name][layer - 1][(head or 0) - 1] - value) for layer, head, value in rows) < 1e-4
    layers = stored(folder, "metric = 'attn-head-std'")
    assert [value for *_, value in sorted(layers)] == pytest.approx(expected["head_deviation"], abs=1e-6)
    assert np.abs(aligned_map(folder, layer=3) - expected["aligned_l3"]).max() < 1e-4


def aligned_map(folder: Path, layer: int) -> np.ndarray[Any, Any]:
    with closing(sqlite3.connect(folder / "results.db")) as connection:
        query = f"SELECT data FROM maps WHERE name = 'attn-map-aligned' AND layer = {layer}"
        ((data,),) = connection.execute(query).fetchall()
    array: np.ndarray[Any, Any] = np.load(io.BytesIO(data))
    return array


def test_knn_of_every_layer(folder: Path) -> None:
    """One query is 0.96 points: none may differ."""
    fixtures.imagenet(folder / "imagenet")
    expected = json.loads((EXPECTED / "knn.json").read_text())
    line = f"--metric knn --data imagenet --data-root {folder / 'imagenet'}"
    for name, values in expected.items():
        metric, _, k = name.partition("_k")
        rows = measured(folder, line, f"metric = 'knn-{metric}' AND category = 'k={k}'")
        assert [value for _, _, value in sorted(rows)] == pytest.approx(values, abs=0.01)


def test_cka_of_class_tokens_of_two_models(folder: Path) -> None:
    import torch

    state = fixtures.vit_state("dino-b", 384, 12, 197, 16)
    torch.save({name: torch.from_numpy(array) for name, array in state.items()}, folder / "b.pth")
    fixtures.imagenet50(folder / "images", 1, list(fifty_classes()))
    words = f"analyze --metric cka-cls --data imagenet50 --data-root {folder / 'images'} --db {folder / 'cka.db'}"
    for label, name in (("a", "dino_s16"), ("b", "b")):
        words += f" --model {label}=dino-s16 --weights {label}={folder / name}.pth"
    words += " --limit 32 --param per_class=1 --param cka_batch=32"
    answer = CliRunner().invoke(app, words.split())
    assert answer.exit_code == 0, answer.output
    with closing(sqlite3.connect(folder / "cka.db")) as connection:
        where = "metric = 'cka-cls' AND (model, other_model) = ('a', 'b')"
        rows = connection.execute(f"SELECT layer, other_layer, value FROM results WHERE {where}").fetchall()
    expected = json.loads((EXPECTED / "cka.json").read_text())["blocks_cls_other"]
    assert len(rows) == 144
    assert max(abs(expected[layer - 1][other - 1] - value) for layer, other, value in rows) < 1e-3
