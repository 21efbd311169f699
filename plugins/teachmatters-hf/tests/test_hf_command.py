"""As a user: the plugin is found, costs nothing at start, and its models are measured like any other."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hf_networks import edit, save
from PIL import Image
from typer.testing import CliRunner, Result

from teachmatters import registry
from teachmatters.cli.app import app
from teachmatters.store import query


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Of all plugins that are installed, this one alone; two folders beside the user."""
    monkeypatch.setenv("TM_LOAD_PLUGINS", "teachmatters-hf")
    monkeypatch.delenv("TM_DB", raising=False)
    monkeypatch.chdir(tmp_path)
    registry.load.cache_clear()
    yield
    monkeypatch.undo()
    registry.load.cache_clear()


def tm(*words: str) -> Result:
    return CliRunner().invoke(app, [*words], catch_exceptions=False)


def test_the_plugin_is_found_without_problems() -> None:
    (plugin,) = [each for each in registry.load().plugins if not each.built_in]
    assert plugin.distribution == "teachmatters-hf"
    assert plugin.problems == []
    assert [spec.name for spec in plugin.specs["register_models"]] == ["hf/"]
    assert "hf/<id>" in tm("models").stdout


def test_listing_a_folder_does_not_import_torch() -> None:
    save("clip", Path("clip"))
    for words in (["--help"], ["plugins"], ["models", "hf/clip"], ["models", "hf/some/one"]):
        code = (
            f"import sys\nfrom teachmatters.cli.app import main\nsys.argv = ['tm', *{words}]\n"
            "try: main()\nexcept SystemExit as end: code = end.code\n"
            "print([m for m in ('torch', 'transformers', 'numpy') if m in sys.modules], code, file=sys.stderr)"
        )
        answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert answer.stderr.strip() == "[] 0"


def draw(folder: Path) -> None:
    """Eight plain images of two colours, in a folder for each."""
    for label, colour in (("blue", (20, 30, 200)), ("red", (210, 40, 10))):
        (folder / label).mkdir(parents=True)
        for number in range(4):
            Image.new("RGB", (40 + number, 36), colour).save(folder / label / f"{number}.png")


def test_a_user_measures_two_folders_and_compares_them(caplog: pytest.LogCaptureFixture) -> None:
    draw(Path("images"))
    save("vit-classifier", Path("a"))
    edit(save("siglip", Path("b")) / "preprocessor_config.json", image_mean=[0.5] * 3)
    models = ("--model", "hf/a", "--model", "hf/b/", "--data", "folder", "--data-root", "images")
    asked = ("--metric", "attn-distance", "--metric", "cka:cka", "--metric", "knn", "--param", "k=1,2")
    answer = tm("analyze", *models, *asked, "--batch-size", "3")
    assert answer.exit_code == 0, answer.stderr
    said = [record.getMessage() for record in caplog.records if record.name.startswith("teachmatters_hf")]
    assert [sentence.partition(":")[0] for sentence in said] == ["hf/a has no preprocessor_config.json"]
    db = Path("results.db")
    ours = "SELECT family, supervision, arch, image_size, depth FROM results WHERE model = 'hf/b' LIMIT 1"
    assert query(db, ours).rows == [("hf-siglip", "image-text contrast", "ViT-32/8", 32, 2)]
    ((versions,),) = query(db, "SELECT DISTINCT versions FROM runs").rows
    assert '"transformers":' in versions.replace(": ", ":")
    distances = query(db, "SELECT value FROM results WHERE metric = 'attn-distance' AND head IS NULL").rows
    assert len(distances) == 4
    assert all(0 < value < 1 for (value,) in distances)
    alike = query(db, "SELECT value FROM results WHERE metric = 'cka' AND model = other_model AND layer = other_layer")
    assert len(alike.rows) == 4
    assert all(value == pytest.approx(1, abs=1e-6) for (value,) in alike.rows)
    neighbours = "SELECT model, value FROM results WHERE metric = 'knn-top1' AND category = 'k=1' ORDER BY 1"
    # Plain colours; SigLIP has no class token, so its mean patch tokens are compared.
    assert query(db, neighbours).rows == [("hf/a", 100.0)] * 2 + [("hf/b", 100.0)] * 2
    again = tm("analyze", *models, *asked)
    assert "done " not in again.stderr
    assert "reused" in again.stderr


def test_a_changed_folder_is_measured_again() -> None:
    save("vit", Path("a"))
    words = ("analyze", "--model", "hf/a", "--metric", "attn-distance", "--limit", "2")
    assert tm(*words).exit_code == 0
    edit(Path("a/config.json"), num_attention_heads=2)
    assert "done" in tm(*words).stderr
    rows = query(Path("results.db"), "SELECT weights, max(head) FROM all_results GROUP BY weights").rows
    assert sorted(heads for _, heads in rows) == [2, 4]


def test_metrics_of_the_class_token_do_not_apply_to_siglip() -> None:
    save("siglip", Path("a"))
    answer = tm("analyze", "--model", "hf/a", "--metric", "attn-on-cls", "--limit", "2")
    assert answer.exit_code == 0
    assert "class token" in answer.stderr


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("hf/nowhere/", "there is no such folder, it is not in the hub's cache"),
        ("hf/empty", "has no config.json"),
        ("hf/", "'hf/' is a prefix and needs a name behind it: a vision transformer of transformers"),
    ],
)
def test_a_missing_folder_is_a_one_line_error(name: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(Path("hub").absolute()))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    Path("empty").mkdir()
    answer = tm("fetch", name)
    assert answer.exit_code == 1
    assert words in answer.stderr
    assert answer.stderr.count("\n") == 1
