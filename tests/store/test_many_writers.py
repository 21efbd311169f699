"""Eight processes that record into one store at once: every run there once, none lost, nobody told of a lock."""

from __future__ import annotations

from pathlib import Path

from teachmatters.store.location import Place, Server
from tests.store.samples import beside, finish, rows, start

PROCESSES, RUNS = 8, 3
WRITER = """
from teachmatters.store import query
label, begin = sys.argv[2], Path(sys.argv[3])
print("ready", flush=True)
while not begin.exists():
    time.sleep(0.01)
for nth in range(int(sys.argv[4])):
    with Store.open(sys.argv[1]) as store:  # as one command after the other does
        # A cell of its own, and one that all of them measure: of that, one run is the newest.
        for of, data in ((model(label), str(nth)), (model("shared"), "photos")):
            one = run(DISTANCE, TOP1, of=of, dataset=data, run_id=f"{label}-{nth}-{data}")
            store.recorded(one.cell)
            store.record(one, numbers("attn-distance", *range(100)))
        found = query(plain_path(sys.argv[1]), f"SELECT count(*) FROM runs WHERE run_id LIKE '{label}-%'").rows
        assert found == [(2 * nth + 2,)], found
"""


def test_eight_writers_of_one_store(place: Place, tmp_path: Path) -> None:
    """They begin at the same moment, when there is no store yet."""
    writers = [start(WRITER, place, f"m{n}", tmp_path / "begin", RUNS) for n in range(PROCESSES)]
    for writer in writers:
        assert writer.stdout
        assert writer.stdout.readline() == "ready\n"
    (tmp_path / "begin").touch()
    assert [finish(writer, 240) for writer in writers] == [(0, "")] * PROCESSES
    runs = PROCESSES * RUNS
    assert rows(place, "SELECT count(*), count(DISTINCT run_id) FROM runs") == [(2 * runs, 2 * runs)]
    assert rows(place, "SELECT count(*) FROM all_results") == [(2 * runs * 100,)]
    newest = "SELECT count(*), count(DISTINCT run_id) FROM results WHERE model"
    assert rows(place, f"{newest} = 'shared'") == [(100, 1)]
    assert rows(place, f"{newest} <> 'shared'") == [(runs * 100, runs)]
    assert rows(place, "SELECT count(*) FROM models") == [(PROCESSES + 1,)]
    assert rows(place, "SELECT count(*) FROM metrics") == [(2,)]
    assert isinstance(place, Server) or beside(place) == ["r.db"]
