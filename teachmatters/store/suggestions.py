"""Suggest the column or view that a query may have meant by an unknown name."""

from __future__ import annotations

import re

from teachmatters.errors import did_you_mean, listing
from teachmatters.store import public

# The messages of SQLite and of PostgreSQL.
_COLUMN = re.compile(r'no such column: (?P<sqlite>\S+)|column "?(?P<postgres>[^"\s]+)"? does not exist')
_VIEW = re.compile(r'no such table: (?P<sqlite>\S+)|relation "(?P<postgres>[^"]+)" does not exist')


def suggestion(message: str) -> str:
    """Return advice for a database's error message: the nearest column or view, and the views.

    >>> suggestion("no such column: r.modle")
    "Did you mean 'model'? The views are results, all_results, runs, maps"
    >>> suggestion('relation "result" does not exist')
    "Did you mean 'results'? The views are results, all_results, runs, maps"
    """
    columns = {name for view in public.VIEWS.values() for name in view}
    near = _nearest(_COLUMN, message, sorted(columns)) or _nearest(_VIEW, message, list(public.VIEWS))
    return f"{near}The views are {listing(public.VIEWS)}"


def _nearest(pattern: re.Pattern[str], message: str, known: list[str]) -> str:
    found = pattern.search(message)
    if found is None:
        return ""
    name = found["sqlite"] or found["postgres"]
    return did_you_mean(name.rpartition(".")[2].strip("\"'`[]"), known)
