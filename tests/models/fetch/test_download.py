from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from teachmatters.errors import TeachMattersError
from teachmatters.models.fetch import download as module
from teachmatters.models.fetch.download import ATTEMPTS, DownloadError, check_unchanged, download
from tests.models.server import Behaviour, serving

CONTENT = bytes(range(256)) * 4000


@pytest.fixture
def behaviour() -> Behaviour:
    return Behaviour(CONTENT)


@pytest.fixture
def address(behaviour: Behaviour) -> Iterator[str]:
    with serving(behaviour) as root:
        yield f"{root}/weights.pth"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "checkpoints" / "weights.pth"


def silence(done: int, total: int) -> None: ...


def beside(target: Path) -> set[str]:
    return {path.name for path in target.parent.iterdir()} - {"weights.pth.lock"}


def test_a_file_is_downloaded_whole_and_progress_is_shown(address: str, target: Path) -> None:
    told: list[tuple[int, int]] = []
    download(address, target, lambda done, total: told.append((done, total)))
    assert target.read_bytes() == CONTENT
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert beside(target) == {"weights.pth"}


def test_an_interrupted_download_is_resumed(behaviour: Behaviour, address: str, target: Path) -> None:
    behaviour.cuts = [100_000, 50_000]
    told: list[int] = []
    download(address, target, lambda done, _: told.append(done))
    assert target.read_bytes() == CONTENT
    assert [asked for _, asked in behaviour.ranges] == ["", "bytes=100000-", "bytes=150000-"]
    assert told == sorted(told)


def test_a_later_command_resumes_an_earlier_download(behaviour: Behaviour, address: str, target: Path) -> None:
    behaviour.cuts = [1000] * ATTEMPTS
    with pytest.raises(DownloadError, match="broke off 5 times; run the same command again"):
        download(address, target, silence)
    assert not target.exists()
    assert beside(target) == {"weights.pth.part", "weights.pth.part.etag"}
    download(address, target, silence)
    assert target.read_bytes() == CONTENT
    assert behaviour.ranges[-1][1] == f"bytes={1000 * ATTEMPTS}-"
    assert beside(target) == {"weights.pth"}


def test_a_file_that_changed_meanwhile_is_downloaded_again(behaviour: Behaviour, address: str, target: Path) -> None:
    behaviour.cuts = [1000] * ATTEMPTS
    with pytest.raises(DownloadError):
        download(address, target, silence)
    behaviour.content, behaviour.etag = CONTENT[::-1], '"two"'
    download(address, target, silence)
    assert target.read_bytes() == CONTENT[::-1]


def test_a_file_without_a_version_is_not_resumed(behaviour: Behaviour, address: str, target: Path) -> None:
    behaviour.etag, behaviour.cuts = "", [1000]
    download(address, target, silence)
    assert [asked for _, asked in behaviour.ranges] == ["", ""]
    assert target.read_bytes() == CONTENT


def test_a_dead_address_is_reported_at_once(behaviour: Behaviour, address: str, target: Path) -> None:
    behaviour.status = {"/weights.pth": 404}
    with pytest.raises(DownloadError, match="the server answers 404 Not Found"):
        download(address, target, silence)
    assert len(behaviour.ranges) == 1
    assert not target.exists()


def test_a_web_page_is_refused(behaviour: Behaviour, address: str, target: Path) -> None:
    behaviour.page = True
    with pytest.raises(DownloadError, match="web page instead of a file"):
        download(address, target, silence)
    assert beside(target) == set()


def test_no_server_at_the_address(target: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}/weights.pth"
        with pytest.raises(DownloadError, match="refused"):
            download(address, target, silence)


def test_a_silent_server_times_out(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TIMEOUT", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(DownloadError, match="timed out"):
        download(f"http://127.0.0.1:{silent.getsockname()[1]}/weights.pth", target, silence)


def test_two_commands_at_once_download_once(behaviour: Behaviour, address: str, target: Path) -> None:
    threads = [Thread(target=download, args=(address, target, silence)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert target.read_bytes() == CONTENT
    assert len(behaviour.ranges) == 1


def test_a_full_disk_is_not_reported_as_a_network_error(
    behaviour: Behaviour, address: str, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, *_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(OSError, match="No space left"):
        download(address, target, silence)
    assert len(behaviour.ranges) == 1


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_the_sha256_is_recorded_once_and_compared_later(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(b"one")
    check_unchanged(path, digest(b"one"))
    assert (tmp_path / "weights.pth.sha256").read_text("utf-8") == f"{digest(b'one')}  weights.pth\n"
    check_unchanged(path, digest(b"one"))
    with pytest.raises(TeachMattersError, match=r"not the file that was used before .* delete both") as refusal:
        check_unchanged(path, digest(b"two"))
    assert "\n" not in str(refusal.value)
    (tmp_path / "weights.pth.sha256").unlink()
    check_unchanged(path, digest(b"two"))


def test_a_read_only_cache_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "write_text", refuse)
    check_unchanged(tmp_path / "weights.pth", digest(b"one"))
