from __future__ import annotations

import sqlite3

import pytest

from teachmatters.errors import TeachMattersError
from teachmatters.reports.binding import bind, literal
from teachmatters.reports.options import Options

NASTY = ["o'brien", "''", "<script>", "line\nbreak", ":models", "-- no comment", 'a"b', "'; DROP TABLE x; --", "ü€"]


@pytest.mark.parametrize("text", NASTY)
def test_a_text_comes_back_as_it_was(text: str) -> None:
    assert sqlite3.connect(":memory:").execute(f"SELECT {literal(text)}").fetchone() == (text,)


def test_a_list_of_nasty_names_binds_to_itself() -> None:
    sql = bind("SELECT value FROM json_each(:setting) WHERE value IN (:models)", Options(models=tuple(NASTY)), "x")
    assert sql.count(":models") == 1, "only the one inside a literal is left"


def test_texts_and_comments_are_left_alone() -> None:
    sql = """SELECT ':models', ":data" /* :layers
    it's */ -- don't :heads
    WHERE x IN (:metrics) AND y::text = :setting"""
    bound = bind(sql, Options(metrics=("a", "b"), setting="s"), "x")
    assert bound == sql.replace(":metrics", "'a', 'b'").replace(":setting", "'s'")


def test_nothing_given_restricts_nothing() -> None:
    sql = bind("SELECT COALESCE(1 IN (:layers), TRUE), COALESCE('m' IN (:models), TRUE)", Options(), "x")
    assert sqlite3.connect(":memory:").execute(sql).fetchone() == (1, 1)


def test_a_name_that_no_option_has() -> None:
    with pytest.raises(TeachMattersError, match=r"SQL of report 'toy' binds :modles; a report may bind :metrics"):
        bind("SELECT :modles", Options(), "toy")


def test_the_text_never_looks_like_an_option() -> None:
    assert bind("-- a comment\nSELECT 1", Options(), "x")[0] == "\n"
