from __future__ import annotations

import argparse
import collections
import datetime
import hashlib
import json
import os
import pickle
import random
import types
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from teachmatters.errors import TeachMattersError
from teachmatters.models.files.checkpoints import files_of, identify, read, split


class Payload:
    """Pickled, it makes a folder called ``ran`` when anybody loads it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.mkdir, (str(self.folder / "ran"),)


def test_identity_is_the_sha256_of_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    path.write_bytes(b"weights" * 1000)
    assert identify(path) == hashlib.sha256(b"weights" * 1000).hexdigest()


@pytest.mark.parametrize(
    ("name", "why"), [("absent.pth", "no such file"), (".", "is a folder"), ("empty.pth", "is empty")]
)
def test_a_file_without_weights_has_no_identity(tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / "empty.pth").touch()
    with pytest.raises(TeachMattersError, match=why):
        identify(tmp_path / name)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("arguments", [True, False], ids=["with arguments", "plain"])
def test_weights_and_training_arguments_are_read(tmp_path: Path, zipped: bool, arguments: bool) -> None:
    path = tmp_path / "w.pth"
    content = {"w": torch.arange(3.0)} | ({"args": argparse.Namespace(lr=1)} if arguments else {})
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    assert torch.equal(read(path)["w"], torch.arange(3.0))
    with pytest.raises(pickle.UnpicklingError):  # what was let in once is not let in for ever
        torch.load(_with_namespace(tmp_path), weights_only=True)


def _with_namespace(folder: Path) -> Path:
    torch.save({"args": argparse.Namespace()}, folder / "namespace.pth")
    return folder / "namespace.pth"


PLAIN: dict[str, object] = {
    "numpy scalar": np.float64(77.1),
    "numpy bool": np.bool_(True),
    "numpy array of texts": np.array(["x"]),
    "numpy array of objects": np.array([1, "x"], dtype=object),
    "numpy random state": np.random.RandomState(0).get_state(),
    "numpy generator's state": np.random.default_rng(0).bit_generator.state,
    "python's random state": random.getstate(),
    "torch's random state": torch.random.get_rng_state(),
    "logs": collections.defaultdict(list, {"loss": [0.5]}),
    "counts": collections.Counter("aab"),
    "queue": collections.deque([1, 2], 3),
    "arguments": argparse.Namespace(lr=np.float32(1), out=Path("runs")),
    "settings": types.SimpleNamespace(seed=0),
    "time": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
    "range": range(3),
    "set": frozenset({1}),
}


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("kind", PLAIN)
def test_plain_data_next_to_the_weights_is_accepted(tmp_path: Path, kind: str, zipped: bool) -> None:
    path = tmp_path / "w.pth"
    torch.save({"w": torch.arange(3.0), "more": PLAIN[kind]}, path, _use_new_zipfile_serialization=zipped)
    content = read(path)
    assert torch.equal(content["w"], torch.arange(3.0))
    if kind == "logs":
        assert content["more"] == {"loss": [0.5]}


class Factory:
    """A class of one's own, as a defaultdict's factory."""


def test_plain_data_cannot_smuggle_in_code(tmp_path: Path) -> None:
    torch.save({"log": collections.defaultdict(Factory)}, tmp_path / "w.pth")
    with pytest.raises(TeachMattersError, match=r"asks for more than tensors .*Factory.*: it could run code"):
        read(tmp_path / "w.pth")


@pytest.mark.parametrize("name", ["w.safetensors", "w.SAFETENSORS", "w.pth", "w.bin", "w"])
def test_safetensors_are_read_whatever_their_name(tmp_path: Path, name: str) -> None:
    save_file({"w": torch.arange(3.0)}, tmp_path / name)
    assert torch.equal(read(tmp_path / name)["w"], torch.arange(3.0))


@pytest.mark.parametrize("name", ["w.safetensors", "w.npz", "w"])
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_pytorchs_files_are_read_whatever_their_name(tmp_path: Path, name: str, zipped: bool) -> None:
    torch.save({"w": torch.arange(3.0)}, tmp_path / name, _use_new_zipfile_serialization=zipped)
    assert torch.equal(read(tmp_path / name)["w"], torch.arange(3.0))


FOREIGN: dict[str, tuple[bytes, str]] = {
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a Git LFS pointer.*git lfs pull"),
    "page": (b"<!DOCTYPE html><html><body>sign in</body></html>", "an HTML or XML page"),
    "page with a mark": (b"\xef\xbb\xbf\n<HTML>", "an HTML or XML page"),
    "error of a server": (b"<?xml version='1.0'?><Error/>", "an HTML or XML page"),
    "keras": (b"\x89HDF\r\n\x1a\n" + bytes(90), "an HDF5 file"),
    "gguf": (b"GGUF\x03\x00\x00\x00" + bytes(90), "a GGUF file"),
    "onnx": (b"\x08\x08\x12\x07pytorch\x1a\x052.1.0", "an ONNX model"),
    "array": (b"\x93NUMPY\x01\x00" + bytes(90), "a single NumPy array"),
    "gzip": (b"\x1f\x8b\x08" + bytes(90), "compressed with gzip"),
    "json": (b'{"error": "not found"}', "JSON text"),
    "msgpack": (b"\x81\xa6params\x80" + bytes(20), "a MessagePack file"),
    "text": (b"hello world\nagain", r"plain text \('hello world'\)"),
    "tar": (bytes(257) + b"ustar" + bytes(300), "a tar archive"),
}


@pytest.mark.parametrize("kind", FOREIGN)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors", ".npz"])
def test_another_format_is_named(tmp_path: Path, kind: str, suffix: str) -> None:
    path, (content, what) = tmp_path / f"w{suffix}", FOREIGN[kind]
    path.write_bytes(content)
    with pytest.raises(TeachMattersError, match=what) as refusal:
        read(path)
    assert "not a checkpoint" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_another_archive_is_named_by_its_contents(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "w.pth", "w") as archive:
        archive.writestr("run/checkpoint.txt", "x")
    with pytest.raises(TeachMattersError, match=r"a zip archive that holds run/checkpoint\.txt; unpack it"):
        read(tmp_path / "w.pth")


def test_another_folder_is_recognised_by_its_files(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    (tmp_path / "last.ckpt").touch()
    with pytest.raises(TeachMattersError, match=rf"it holds last\.ckpt: give --weights {tmp_path}/last\.ckpt$"):
        read(tmp_path)


def test_a_folder_of_transformers_is_read(tmp_path: Path) -> None:
    with pytest.raises(TeachMattersError, match=r"is a folder without model\.safetensors"):
        read(tmp_path)
    for part in ("a", "b"):
        save_file({part: torch.ones(1)}, tmp_path / f"model-{part}.safetensors")
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {part: f"model-{part}.safetensors" for part in ("a", "b")}}))
    assert set(read(tmp_path)) == set(read(index)) == {"a", "b"}
    save_file({"whole": torch.ones(1)}, tmp_path / "model.safetensors")
    assert set(read(tmp_path)) == {"whole"}


@pytest.mark.parametrize("named", ["../model.safetensors", "absent.safetensors", None])
def test_an_index_of_missing_files_is_refused(tmp_path: Path, named: str | None) -> None:
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": named} if named else []}))
    with pytest.raises(TeachMattersError, match="which is not there"):
        files_of(tmp_path)


def test_a_network_can_be_selected_behind_the_file_name(tmp_path: Path) -> None:
    assert split(tmp_path / "run.pth#teacher.backbone") == (tmp_path / "run.pth", "teacher.backbone")
    (tmp_path / "run#2.pth").touch()
    assert split(tmp_path / "run#2.pth") == (tmp_path / "run#2.pth", "")
    assert split(tmp_path / "run#2.pth#ema") == (tmp_path / "run#2.pth", "ema")


@pytest.mark.parametrize("kind", ["zip", "legacy", "pickle", "protocol 2"])
def test_a_pickle_that_would_run_code_is_refused_and_never_run(tmp_path: Path, kind: str) -> None:
    path, payload = tmp_path / "evil.pth", {"w": torch.ones(2), "x": Payload(tmp_path)}
    if kind in {"zip", "legacy"}:
        torch.save(payload, path, _use_new_zipfile_serialization=kind == "zip")
    else:
        path.write_bytes(pickle.dumps(Payload(tmp_path), protocol=2 if kind == "protocol 2" else None))
    with pytest.raises(TeachMattersError, match="could run code and was not loaded") as refusal:
        read(path)
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "ran").exists()


def test_a_whole_pickled_module_is_refused(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(2, 2), tmp_path / "module.pth")
    with pytest.raises(TeachMattersError, match=r"torch\.nn\.modules\.linear\.Linear.*could run code"):
        read(tmp_path / "module.pth")


def test_a_torchscript_program_is_refused(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is on its way out
        torch.jit.trace(torch.nn.Linear(2, 2), torch.ones(1, 2)).save(str(tmp_path / "program.pt"))  # type: ignore[no-untyped-call]
    with pytest.raises(TeachMattersError, match="TorchScript program"):
        read(tmp_path / "program.pt")


def damaged(path: Path, kind: str) -> None:
    """Writes something that is no checkpoint."""
    if kind.startswith("truncated"):
        torch.save({"w": torch.ones(1000)}, path, _use_new_zipfile_serialization=kind == "truncated zip")
        path.write_bytes(path.read_bytes()[:-100])
    else:
        path.write_bytes(
            {"text": b"hello world " * 9, "page": b"<html>not found</html>", "zip": b"PK\x05\x06" + bytes(18)}[kind]
        )


@pytest.mark.parametrize("kind", ["truncated zip", "truncated legacy", "text", "page", "zip"])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_file_that_is_not_a_checkpoint_is_a_one_line_error(tmp_path: Path, kind: str, suffix: str) -> None:
    path = tmp_path / f"w{suffix}"
    damaged(path, kind)
    with pytest.raises(TeachMattersError, match=r"not a checkpoint|not a readable") as refusal:
        read(path)
    assert "\n" not in str(refusal.value)


def test_arrays_are_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", cls=np.arange(3.0))
    assert read(tmp_path / "w.npz")["cls"].tolist() == [0, 1, 2]


def test_arrays_of_objects_are_refused_and_never_run(tmp_path: Path) -> None:
    objects = np.empty(1, dtype=object)
    objects[0] = Payload(tmp_path)
    np.savez(tmp_path / "evil.npz", cls=objects)
    with pytest.raises(TeachMattersError, match=r"not a readable \.npz file of plain arrays") as refusal:
        read(tmp_path / "evil.npz")
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "ran").exists()


def test_damaged_arrays_are_a_one_line_error(tmp_path: Path) -> None:
    path = tmp_path / "w.npz"
    np.savez(path, cls=np.zeros(1000, dtype=np.float32))
    content = bytearray(path.read_bytes())
    content[200:300] = bytes(range(100))
    path.write_bytes(content)
    with pytest.raises(TeachMattersError, match=r"not a readable \.npz file"):
        read(path)


def test_a_single_tensor_is_refused(tmp_path: Path) -> None:
    torch.save(torch.ones(3), tmp_path / "tensor.pth")
    with pytest.raises(TeachMattersError, match="holds a Tensor, not a dictionary"):
        read(tmp_path / "tensor.pth")
