"""Tests of ``tm fetch`` and of weights in ``tm models``, with a local server and empty caches."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub.constants
import pytest
from typer.testing import CliRunner, Result

from teachmatters.cli.app import app
from teachmatters.models import recipes
from teachmatters.models.fetch import hub
from tests.models.server import Behaviour, serving

CONTENT = b"weights of a network"


def tm(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


@pytest.fixture(autouse=True)
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Both empty."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> Iterator[Behaviour]:
    """DINO's four files and MoCo's two on a server, of which DINO's S/16 is not there."""
    behaviour = Behaviour(CONTENT, status={"/dino-s16.pth": 404})
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    with serving(behaviour) as root:
        for name, recipe in recipes.RECIPES.items():
            if recipe.family in {"dino", "moco"}:
                moved = dataclasses.replace(recipe, origins=(f"{root}/{name}.pth",))
                monkeypatch.setitem(recipes.RECIPES, name, moved)
        yield behaviour


def test_one_model_is_fetched_once(published: Behaviour, caches: Path) -> None:
    first, again = tm("fetch", "moco-b16"), tm("fetch", "moco", "--format", "json")
    assert (first.exit_code, again.exit_code) == (0, 0)
    digest = hashlib.sha256(CONTENT).hexdigest()
    assert "fetched" in first.stdout
    assert digest[:12] in first.stdout
    assert json.loads(again.stdout) == [
        {"name": "moco-b16", "status": "already here", "weights": digest, "reason": None}
    ]
    assert len(published.ranges) == 1
    assert (caches / "torch" / "hub" / "checkpoints" / "moco-b16.pth").read_bytes() == CONTENT


def test_a_failed_download_does_not_stop_the_others(published: Behaviour) -> None:
    answer = tm("fetch", "dino-*", "moco-s16", "dino-b16", "--format", "json")
    assert answer.exit_code == 1
    status = {row["name"]: row["status"] for row in json.loads(answer.stdout)}
    fetched = dict.fromkeys(("dino-s8", "dino-b16", "dino-b8", "moco-s16"), "fetched")
    assert status == {"dino-s16": "failed"} | fetched
    assert answer.stderr.count("\n") == 1
    assert answer.stderr.startswith("failed dino-s16: no weights for dino-s16: ")
    assert "404" in answer.stderr


def test_a_single_failed_download_is_a_one_line_error(published: Behaviour) -> None:
    answer = tm("fetch", "dino-s16")
    assert (answer.exit_code, answer.stdout) == (1, "")
    assert answer.stderr.startswith("Error: no weights for dino-s16")
    assert answer.stderr.count("\n") == 1


def test_an_unknown_name_is_refused_before_anything_is_fetched(published: Behaviour) -> None:
    answer = tm("fetch", "moco-b16", "moco-b61")
    assert answer.exit_code == 1
    assert "Did you mean 'moco-b16'?" in answer.stderr
    assert published.ranges == []


def test_models_without_weights_need_no_download() -> None:
    answer = tm("fetch", "random-s16", "noise-b16", "--format", "json")
    assert answer.exit_code == 0
    assert {(row["status"], row["weights"]) for row in json.loads(answer.stdout)} == {("none needed", None)}


def test_a_changed_file_is_reported(published: Behaviour, caches: Path) -> None:
    tm("fetch", "moco-b16")
    (caches / "torch" / "hub" / "checkpoints" / "moco-b16.pth").write_bytes(b"something else")
    answer = tm("fetch", "moco-b16")
    assert answer.exit_code == 1
    assert "is not the file that was used before" in answer.stderr


# ---------------------------------------------------------------- tm models
def test_the_papers_25_are_listed_with_every_field() -> None:
    rows = {row["name"]: row for row in json.loads(tm("models", "--format", "json").stdout)}
    families = ("supervised", "clip", "dino", "moco", "mae", "beit")
    trained = [row for row in rows.values() if row["family"] in families]
    assert len(trained) == 25
    assert all(value not in (None, "") for row in trained for value in row.values())
    assert {row["weights_here"] for row in trained} == {"no"}
    assert {row["weights_here"] for row in rows.values() if row["family"] in ("random", "noise")} == {"none needed"}
    moco = rows["moco-s16"]
    assert (moco["size"], moco["patch_size"], moco["image_size"], moco["depth"], moco["heads"]) == (
        "S",
        16,
        224,
        12,
        12,
    )
    assert rows["clip-l14-336"]["image_size"] == 336


def test_cached_weights_are_marked_as_present(caches: Path) -> None:
    snapshots = caches / "hub" / "models--timm--vit_base_patch16_224.mae"
    for folder, file, text in (("refs", "main", "1" * 40), ("snapshots/" + "1" * 40, "model.safetensors", "weights")):
        (snapshots / folder).mkdir(parents=True)
        (snapshots / folder / file).write_text(text)
    official = hub.cache_file(recipes.RECIPES["beit-b16"].origins[0])
    official.parent.mkdir(parents=True)
    official.write_bytes(CONTENT)
    rows = json.loads(tm("models", "--format", "json").stdout)
    assert {row["name"] for row in rows if row["weights_here"] == "yes"} == {"mae-b16", "beit-b16"}
    shown = json.loads(tm("models", "timm/vit_base_patch16_224.mae", "--format", "json").stdout)
    assert shown[0]["weights_here"] == "yes"


def test_one_model_is_shown_with_its_citation() -> None:
    shown = tm("models", "beit").stdout
    assert "Bao et al., BEiT" in shown
    assert "microsoft/beit-base-patch16-224-pt22k" in shown
    table = tm("models").stdout
    assert "microsoft" not in table  # the first source only
    assert "beit-b16" in table
