from __future__ import annotations

import argparse
import hashlib
import os
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from teachmatters.errors import TeachMattersError
from teachmatters.models.checkpoints import identify, read


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
def test_what_is_no_file_of_weights_has_no_identity(tmp_path: Path, name: str, why: str) -> None:
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


def test_safetensors_are_read(tmp_path: Path) -> None:
    save_file({"w": torch.arange(3.0)}, tmp_path / "w.safetensors")
    assert torch.equal(read(tmp_path / "w.safetensors")["w"], torch.arange(3.0))


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


NO_CHECKPOINT = {"text": b"hello world " * 9, "page": b"<html>not found</html>", "zip": b"PK\x05\x06" + bytes(18)}


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
def test_what_is_no_checkpoint_is_said_in_one_line(tmp_path: Path, kind: str, suffix: str) -> None:
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


def test_damaged_arrays_are_said_to_be(tmp_path: Path) -> None:
    path = tmp_path / "w.npz"
    np.savez(path, cls=np.zeros(1000, dtype=np.float32))
    content = bytearray(path.read_bytes())
    content[200:300] = bytes(range(100))
    path.write_bytes(content)
    with pytest.raises(TeachMattersError, match=r"not a readable \.npz file"):
        read(path)


def test_a_lone_tensor_is_no_dictionary_of_weights(tmp_path: Path) -> None:
    torch.save(torch.ones(3), tmp_path / "tensor.pth")
    with pytest.raises(TeachMattersError, match="holds a Tensor, not a dictionary"):
        read(tmp_path / "tensor.pth")
