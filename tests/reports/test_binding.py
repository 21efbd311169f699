from __future__ import annotations

import sqlite3

import pytest

from teachmatters.errors import TeachMattersError
from teachmatters.reports.binding import bind, literal
from teachmatters.reports.options import Options

NASTY = ["o'brien", "''", "<script>", "line\nbreak", ":models", "-- no comment", 'a"b', "'; DROP TABLE x; --", "ü€"]


@pytest.mark.parametrize("text", NASTY)
def test_texts_are_bound_unchanged(text: str) -> None:
    assert sqlite3.connect(":memory:").execute(f"SELECT {literal(text)}").fetchone() == (text,)


def test_difficult_names_are_bound_unchanged() -> None:
    sql = bind("SELECT value FROM json_each(:setting) WHERE value IN (:models)", Options(models=tuple(NASTY)), "x")
    assert sql.count(":models") == 1, "only the one inside a literal is left"


def test_texts_and_comments_are_not_bound() -> None:
    sql = """SELECT ':models', ":data" /* :layers
    it's */ -- don't :heads
    WHERE x IN (:metrics) AND y::text = :setting"""
    bound = bind(sql, Options(metrics=("a", "b"), setting="s"), "x")
    assert bound == sql.replace(":metrics", "'a', 'b'").replace(":setting", "'s'")


def test_nothing_given_restricts_nothing() -> None:
    sql = bind("SELECT COALESCE(1 IN (:layers), TRUE), COALESCE('m' IN (:models), TRUE)", Options(), "x")
    assert sqlite3.connect(":memory:").execute(sql).fetchone() == (1, 1)


def test_an_unknown_placeholder_is_an_error() -> None:
    with pytest.raises(TeachMattersError, match=r"SQL of report 'toy' binds :modles; a report may bind :metrics"):
        bind("SELECT :modles", Options(), "toy")


def test_names_in_texts_are_not_placeholders() -> None:
    assert bind("-- a comment\nSELECT 1", Options(), "x")[0] == "\n"
