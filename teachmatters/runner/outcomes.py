"""Outcomes in words: one line per model while a command runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from teachmatters.errors import listing
from teachmatters.runner.requests import Outcome

# Notes that are printed elsewhere: unreadable images, remarks about the data set and about the weights.
PRINTED_ELSEWHERE = ("skipped", "data", "weights")


class ModelLines:
    """A printer of one line per completed model, one for all comparisons, and each new note of an analysis once.

    Args:
        say: prints a line.
        verbose: True for one line per outcome.
    """

    def __init__(self, say: Callable[[str], None], *, verbose: bool = False) -> None:
        self._say, self._verbose = say, verbose
        self._open: list[Outcome] = []
        self._printed: set[tuple[str, str]] = set()

    def __call__(self, outcome: Outcome) -> None:
        """Take the next outcome; failures are left to the end of the command."""
        if outcome.status == "failed":
            return
        if self._verbose:
            self._say(outcome_line(outcome))
            return
        if self._open and _group(self._open[-1]) != _group(outcome):
            self.flush()
        self._open.append(outcome)

    def flush(self) -> None:
        """Print the line of the outcomes so far."""
        outcomes, self._open = self._open, []
        if not outcomes:
            return
        self._say(_model_line(outcomes))
        for outcome in outcomes:
            for note in _notes(outcome):
                if (outcome.analysis, note) not in self._printed:
                    self._printed.add((outcome.analysis, note))
                    self._say(f"note: {outcome.analysis} on {outcome.dataset}: {note}")


def _group(outcome: Outcome) -> str:
    """Return the model of an outcome; empty for every comparison of two models."""
    return "" if outcome.other else outcome.model


def _model_line(outcomes: Sequence[Outcome]) -> str:
    done = [outcome for outcome in outcomes if outcome.status == "done"]
    reused = [outcome for outcome in outcomes if outcome.status == "reused"]
    pairs = len({(outcome.model, outcome.other) for outcome in outcomes})
    name = _group(outcomes[0]) or f"{pairs} pair{'s' if pairs > 1 else ''} of models"
    if not done:
        return f"reused {name}: {_cells(reused)}: already in the store (--force measures again)"
    seconds = sum(outcome.seconds for outcome in done)
    also = f"; reused {listing(_analyses(reused))}" if reused else ""
    return f"done   {name}: {_cells(done)}: {max(o.items for o in done):,} images in {seconds:.1f} s{also}"


def _cells(outcomes: Sequence[Outcome]) -> str:
    """Return the analyses, data sets and settings of outcomes: ``attention, knn on scenes [limit=2]``."""
    data = listing(dict.fromkeys(outcome.dataset for outcome in outcomes))
    settings = {outcome.setting for outcome in outcomes}
    setting = f" [{outcomes[0].setting}]" if len(settings) == 1 and outcomes[0].setting else ""
    return f"{listing(_analyses(outcomes))} on {data}{setting}"


def _analyses(outcomes: Sequence[Outcome]) -> list[str]:
    return list(dict.fromkeys(outcome.analysis for outcome in outcomes))


def outcome_line(outcome: Outcome) -> str:
    """Return one line that describes an outcome."""
    pair = f" and {outcome.other}" if outcome.other and outcome.other != outcome.model else ""
    return f"{outcome.status:6} {outcome.model}{pair}: {outcome.analysis} on {outcome.dataset}{_detail(outcome)}"


def _detail(outcome: Outcome) -> str:
    if outcome.status == "failed":
        return f": {outcome.reason}"
    setting = f" [{outcome.setting}]" if outcome.setting else ""
    if outcome.status == "reused":
        return f"{setting}: {listing(sorted(outcome.metrics))} already in the store (--force measures again)"
    suffix = "".join(f"; {note}" for note in _notes(outcome))
    return f"{setting}: {outcome.items:,} images in {outcome.seconds:.1f} s{suffix}"


def _notes(outcome: Outcome) -> list[str]:
    notes = [f"{name}: {_text(value)}" for name, value in outcome.notes.items() if name not in PRINTED_ELSEWHERE]
    if outcome.skipped:
        skipped = outcome.notes["skipped"]
        assert isinstance(skipped, dict)
        notes.insert(0, f"{outcome.skipped} could not be read and were left out ({listing(skipped, most=3)})")
    return notes


def _text(value: object) -> str:
    return listing(map(str, value)) if isinstance(value, list | tuple) else str(value)
