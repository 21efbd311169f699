from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from teachmatters import progress
from teachmatters.cli import output
from teachmatters.errors import TeachMattersError
from teachmatters.reports.tables.formats import Format


def test_data_go_to_standard_output_and_messages_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    output.emit_table(["a", "b"], [[1, None]], "json")
    output.say("a word")
    out, err = capsys.readouterr()
    assert json.loads(out) == [{"a": 1, "b": None}]
    assert err == "a word\n"


def test_messages_cannot_send_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    output.say("one\ntwo\x1b[2J")
    assert capsys.readouterr().err == "one\ntwo\\x1b[2J\n"


@pytest.mark.parametrize("style", ["table", "csv", "json", "markdown", "latex"])
def test_no_digit_and_no_column_is_lost_without_a_terminal(style: Format) -> None:
    columns = [f"column-{n}" for n in range(60)]
    text = output.render(columns, [[n + 0.12345678901234567 for n in range(60)]], style)
    assert all(name in text for name in columns)
    assert all(repr(n + 0.12345678901234567) in text for n in range(60))


def test_a_terminal_gets_its_width_and_bold(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm")
    columns = ["layer", *(f"model-{n}" for n in range(9))]
    text = output.render(columns, [[1, *[0.5] * 9]], bold={(0, 1)})
    assert text.count("layer") > 1
    stressed = text.count("layer") + 9 + 1  # every heading, and one cell
    assert text.count("\x1b[1m") == text.count("\x1b[0m") == stressed
    assert output.render(columns, [[1, *[0.5] * 9]], bold={(0, 1)}, to_file=True).count("layer") == 1
    assert output.paragraphs(["word " * 12, "x\x1b[1m"]) == "word " * 7 + "word\n  word word word word\nx\\x1b[1m"
    assert output.paragraphs(["word " * 12], to_file=True) == "word " * 12
    monkeypatch.setenv("TERM", "dumb")
    assert "\x1b" not in output.render(columns, [[1, *[0.5] * 9]], bold={(0, 1)})


def test_csv_cannot_send_control_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    output.emit_table(["a"], [["\x1b[2J"]], "csv")
    assert terminal.getvalue() == "a\n\\x1b[2J\n"
    assert output.render(["a"], [["\x07"]], "csv") == "a\n\\x07\n"
    assert output.render(["a"], [["\x07"]], "csv", to_file=True) == "a\n\x07\n"


def test_an_encoding_that_lacks_letters_gets_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    output.emit("größe")
    stream.flush()
    assert stream.buffer.getvalue() == b"gr\\xf6\\xdfe\n"


@pytest.mark.parametrize(("size", "times"), [(10_000_000, 1), (99, 99_999)])
def test_a_closed_pipe_is_not_an_error(size: int, times: int, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        f"from teachmatters.cli import output\nfor _ in range({times}):\n    output.emit('x' * {size})\n"
    )
    pipe = f"{sys.executable} {program} | head -c 9; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", pipe], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "x" * 9, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_line() -> None:
    code = """
from teachmatters import progress
from teachmatters.cli import output
from teachmatters.errors import TeachMattersError
try:
    output.emit("x")
except TeachMattersError as error:
    output.say(str(error))
"""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.stderr == "cannot write to standard output: No space left on device.\n"


def test_a_file_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output.write_file(tmp_path / "a.txt", "text")
    assert (tmp_path / "a.txt").read_text() == "text"
    assert capsys.readouterr().err == f"Wrote {tmp_path / 'a.txt'}\n"
    with pytest.raises(TeachMattersError, match=r"cannot write .*: Is a directory"):
        output.write_file(tmp_path, "text")
    (tmp_path / "link.txt").symlink_to("a.txt")
    with pytest.raises(UnicodeEncodeError):
        output.write_file(tmp_path / "link.txt", "half a text\udce9")
    output.write_file(tmp_path / "link.txt", "another")
    assert (tmp_path / "a.txt").read_text() == "another", "a link stays one"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "link.txt"]


def test_devices_and_pipes_can_be_written_to(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with ThreadPoolExecutor() as pool:
        read = pool.submit((tmp_path / "pipe").read_text)
        output.write_file(tmp_path / "pipe", "text")
        assert read.result(timeout=10) == "text"


def test_a_log_file_gets_occasional_progress_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, 0.0, 10.0, 31.0, 40.0, 62.0])
    monkeypatch.setattr("teachmatters.progress.time.monotonic", lambda: next(clock))
    log = progress.Log(output.say)
    log.begin("dino-b16 on photos", 40)
    for _ in range(4):
        log.advance(10)
    assert capsys.readouterr().err == "dino-b16 on photos: 20 of 40, about 31 s left\n"


def test_progress_is_silent_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with output.progress() as bar:
        bar.advance(1)
        bar.begin("one [b]pass[/b]", 3)
        bar.advance(2)
        bar.begin("another", 3)
        bar.finish()
        bar.finish()
    assert capsys.readouterr() == ("", "")


def test_progress_shows_label_and_count_on_a_terminal() -> None:
    import rich.console
    from rich.progress import Progress

    with Progress(console=rich.console.Console(file=io.StringIO(), force_terminal=True)) as display:
        bar = progress.Bar(display)
        bar.begin("photos", 3)
        bar.advance(2)
        assert [(task.description, task.completed, task.total) for task in display.tasks] == [("photos", 2, 3)]
        bar.begin("digits", 5)
        assert [task.description for task in display.tasks] == ["digits"], "one bar at a time"


def test_a_very_long_message_is_cut() -> None:
    told = str(TeachMattersError("the file " + "x" * 50_000_000 + " is wrong"))
    assert len(told) < 5000
    assert told.startswith("the file xxx")
    assert told.endswith("xxx is wrong")
