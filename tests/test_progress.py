"""Tests of progress in a notebook, with two functions of IPython imitated."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from teachmatters import progress


class Handle:
    """What IPython's display returns."""

    def __init__(self, markup: str) -> None:
        self.shown = [markup]

    def update(self, markup: str) -> None:
        self.shown.append(markup)


@pytest.fixture
def handles(monkeypatch: pytest.MonkeyPatch) -> list[Handle]:
    made: list[Handle] = []

    def display(markup: str, *, display_id: bool) -> Handle:
        assert display_id
        made.append(Handle(markup))
        return made[-1]

    kernel: Any = ModuleType("IPython")
    kernel.get_ipython = lambda: SimpleNamespace(kernel=object())
    shown: Any = ModuleType("IPython.display")
    shown.HTML, shown.display = str, display
    monkeypatch.setitem(sys.modules, "IPython", kernel)
    monkeypatch.setitem(sys.modules, "IPython.display", shown)
    return made


def test_a_notebook_gets_a_notebook_progress_bar(handles: list[Handle], capsys: pytest.CaptureFixture[str]) -> None:
    monotonic = iter([0.0, 0.1, 0.3, 0.3, 1.0])
    with pytest.MonkeyPatch.context() as patch, progress.shown(print) as bar:
        patch.setattr("teachmatters.progress.time.monotonic", lambda: next(monotonic))
        bar.advance(1)  # nothing has begun
        bar.begin("dino <b> on photos", 4000)
        bar.advance(1000)
        bar.advance(1000)
        bar.say("a remark\x1b[2J")
        bar.begin("another", 1)
    first, second = (handle.shown for handle in handles)
    assert first[0] == "<progress value='0' max='4000'></progress> dino &lt;b&gt; on photos: 0 of 4,000"
    assert first[1:] == ["<progress value='2000' max='4000'></progress> dino &lt;b&gt; on photos: 2,000 of 4,000", ""]
    assert second[-1] == "", "the bar goes when the work is done, also after an error"
    assert capsys.readouterr().out == "a remark\\x1b[2J\n"


def test_ipython_in_a_terminal_is_not_a_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel: Any = ModuleType("IPython")
    kernel.get_ipython = SimpleNamespace
    monkeypatch.setitem(sys.modules, "IPython", kernel)
    with progress.shown(print) as bar:
        assert isinstance(bar, progress.Log)
