"""The end of a command that measures: what failed, and where the rows are."""

from __future__ import annotations

import os
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING

from teachmatters.cli import output
from teachmatters.runner.outcomes import outcome_line

if TYPE_CHECKING:
    from teachmatters.runner.requests import Outcome
    from teachmatters.store.location import StoreLocation


def show_outcomes(outcomes: Sequence[Outcome], path: StoreLocation) -> None:
    """Print each failure, and where the rows went, to standard error."""
    for outcome in outcomes:
        if outcome.status == "failed":
            output.complain(outcome_line(outcome))
            if outcome.error is not None and os.environ.get("TM_DEBUG") == "1":
                output.complain("".join(traceback.format_exception(outcome.error)))
    if any(outcome.status == "done" for outcome in outcomes):
        output.say(f"recorded in {path}")
