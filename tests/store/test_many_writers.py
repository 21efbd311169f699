"""Tests of six writers and three readers of one store at once: no failure, no lost run."""

from __future__ import annotations

import os
import time
from functools import partial

import teachmatters
from teachmatters.store import Store, info, query
from teachmatters.store.location import Server, StoreLocation, plain_path
from tests.killing import ended, fork
from tests.store.samples import DISTANCE, TOP1, beside, model, numbers, rows, run, start

WRITERS, READERS = 6, 3
# The duration of the writing and reading.
SECONDS = float(os.environ.get("TM_TEST_SECONDS", "2"))

ROWS = (100, 10, 2000)  # a run may make the file much longer, or hardly


def test_six_writers_and_three_readers_of_one_store(place: StoreLocation) -> None:
    """They begin at the same moment, when there is no store yet."""
    code = "import alembic.command\nfrom tests.store.test_many_writers import race\nrace(sys.argv[1])\n"
    process = start(code, place)
    out, error = process.communicate(timeout=240)
    assert (process.returncode, error) == (0, "")
    written = int(out)
    assert written >= WRITERS
    assert rows(place, "SELECT count(*), count(DISTINCT run_id) FROM runs") == [(2 * written, 2 * written)]
    newest = "SELECT count(DISTINCT run_id) FROM results WHERE model"
    assert rows(place, f"{newest} = 'shared'") == [(1,)]
    assert rows(place, f"{newest} <> 'shared'") == [(written,)]
    assert rows(place, "SELECT count(*) FROM models") == [(WRITERS + 1,)]
    assert rows(place, "SELECT count(*) FROM metrics") == [(2,)]
    assert isinstance(place, Server) or beside(place) == ["r.db"]


def race(address: str) -> None:
    """Let them run; print how many pairs of runs were recorded."""
    end = time.monotonic() + SECONDS
    writers = [fork(partial(_write, address, f"m{number}", end)) for number in range(WRITERS)]
    Store.open(address).close()
    readers = [fork(partial(_read, address, end)) for _ in range(READERS)]
    assert [ended(child) for child in (*writers, *readers)] == [0] * (WRITERS + READERS)
    (written,) = query(plain_path(address), "SELECT count(*) / 2 FROM runs").rows[0]
    print(written)  # noqa: T201


def _write(address: str, label: str, end: float) -> None:
    nth = 0
    while nth == 0 or time.monotonic() < end:
        with Store.open(address) as store:  # as one command after the other does
            # A cell of its own, and one that all of them measure: of that, one run is the newest.
            for of, data in ((model(label), str(nth)), (model("shared"), "photos")):
                one = run(DISTANCE, TOP1, of=of, dataset=data, run_id=f"{label}-{nth}-{data}")
                store.recorded(one.cell)
                store.record(one, numbers("attn-distance", *range(ROWS[nth % len(ROWS)])))
        nth += 1
        mine = query(plain_path(address), f"SELECT count(*) FROM runs WHERE run_id LIKE '{label}-%'").rows
        assert mine == [(2 * nth,)], mine


def _read(address: str, end: float) -> None:
    place, seen = plain_path(address), 0
    while time.monotonic() < end:
        (found,) = query(place, "SELECT count(*) FROM runs").rows[0]
        assert found >= seen, "a run is gone"
        seen = found
        assert info(place)["runs"] >= seen
        teachmatters.open(address)
        query(place, "SELECT * FROM results LIMIT 500")
