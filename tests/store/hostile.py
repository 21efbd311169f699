"""Hostile SQL: it writes, escapes the store, runs code, or uses all time and memory."""

from __future__ import annotations

COUNT = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
LONG = "CAST(zeroblob(9000000) AS TEXT)"
BOMB = ", ".join(f"c{i} AS (SELECT a.* FROM c{i - 1} a, c{i - 1} b, c{i - 1} c)" for i in range(1, 13))

REFUSED = {  # what is refused at once, with a word of the answer
    "an insert": ("INSERT INTO models SELECT * FROM models", "may only read"),
    "an insert after WITH": ("WITH x AS (SELECT 1) INSERT INTO models (id) SELECT * FROM x", "may only read"),
    "an insert that returns": ("INSERT INTO unit_lists VALUES (9, 'a', 'b') RETURNING *", "may only read"),
    "an update": ("UPDATE recorded SET is_newest = 0", "may only read"),
    "a delete": ("DELETE FROM records", "may only read"),
    "a replace": ("REPLACE INTO unit_lists VALUES (9, 'a', 'b')", "may only read"),
    "a drop": ("DROP TABLE records", "may only read"),
    "an alter": ("ALTER TABLE records RENAME TO others", "may only read"),
    "a table": ("CREATE TABLE t AS SELECT 1", "may only read"),
    "a temporary table": ("CREATE TEMP TABLE t AS SELECT 1", "may only read"),
    "a temporary view": ("CREATE TEMP VIEW v AS SELECT 1", "may only read"),
    "a trigger": ("CREATE TEMP TRIGGER t INSERT ON models BEGIN SELECT 1; END", "may only read"),
    "a virtual table": ("CREATE VIRTUAL TABLE temp.t USING fts3(x)", "may only read"),
    "an index": ("CREATE INDEX i ON records (value)", "may only read"),
    "another file": ("ATTACH '{folder}/other.db' AS other", "may only read"),
    "another file, to write": ("ATTACH 'file:{folder}/other.db?mode=rwc' AS other", "may only read"),
    "a copy": ("VACUUM INTO '{folder}/other.db'", "may only read"),
    "a pragma": ("PRAGMA writable_schema = ON", "may only read"),
    "a pragma as a table": ("SELECT * FROM pragma_database_list", "may only read"),
    "an explanation": ("EXPLAIN SELECT * FROM results", "may only read"),
    "an explained plan": ("EXPLAIN QUERY PLAN SELECT * FROM results", "may only read"),
    "a hidden explanation": ("/* */ -- \n\ufeffexplain SELECT 1", "may only read"),
    "a savepoint": ("SAVEPOINT s", "may only read"),
    "the end of the transaction": ("COMMIT", "may only read"),
    "two statements": ("SELECT 1; DELETE FROM records", "one statement"),
    "a library": ("SELECT load_extension('{folder}/other.so')", "may only read"),
    "an address": ("SELECT fts3_tokenizer('zz', x'4141414141414141')", "may only read"),
    "an address, in large letters": ("SELECT FTS3_Tokenizer('simple')", "may only read"),
    "a written file": ("SELECT writefile('{folder}/other', 'x')", "no such function"),
    "a read file": ("SELECT readfile('/etc/passwd')", "no such function"),
    "the pages of the file": ("SELECT * FROM dbstat", "may only read"),
    "the statements of the process": ("SELECT * FROM sqlite_stmt", "may only read"),
    "a tokenizer": ("SELECT * FROM fts3tokenize('simple', 'a b')", "may only read"),
    "a value of a gigabyte": ("SELECT zeroblob(1000000000)", "too big"),
    "a value of twice its length": ("SELECT hex(zeroblob(134000000))", "too big"),
    "a text twice its length": (f"SELECT {LONG} || {LONG}", "too big"),
    "a long pattern": (f"SELECT 'a' LIKE {'%a' * 600!r}", "too complex"),
    "a deep bracket": ("SELECT " + "(" * 2000 + "1" + ")" * 2000, "overflow|depth"),
    "a long statement": (f"SELECT '{'x' * 1_000_001}'", "too"),
}
ENDLESS = {  # what would run for ever
    "counting": COUNT + "SELECT count(*) FROM n",
    "counting without a row": COUNT + "SELECT i FROM n WHERE i < 0",
    "random bytes": COUNT + "SELECT count(randomblob(1e8 / 11)) FROM n",
    "random bytes, added up": COUNT + "SELECT sum(length(hex(randomblob(4000000)))) FROM n",
    "pairs": COUNT + "SELECT count(*) FROM n, results a, results b, results c",
    "sorting": COUNT + "SELECT i, randomblob(1000) AS x FROM n ORDER BY x",
    "sorting large rows": COUNT + "SELECT i, randomblob(5000000) AS x FROM n ORDER BY x",
    "distinct values": COUNT + "SELECT count(DISTINCT randomblob(100)) FROM n",
    "groups": COUNT + "SELECT randomblob(8) AS x, count(*) FROM n GROUP BY x",
    "windows": COUNT + "SELECT sum(i) OVER (ORDER BY i DESC) FROM n",
    "a union": COUNT + "SELECT randomblob(20) FROM n UNION SELECT i FROM n",
    "a subquery for each row": "SELECT (" + COUNT + "SELECT max(i) FROM n WHERE i > r.layer) FROM results r",
    "bits of JSON": COUNT + "SELECT count(*) FROM n, json_each('[1,2,3]'), json_tree('[1,[2,[3]]]')",
    "large JSON": COUNT + "SELECT count(*) FROM n, json_each('[0' || replace(hex(zeroblob(900000)), '0', ',0') || ']')",
}
UNSTOPPABLE = {  # where a single function would take minutes or hours
    "a wide text": "SELECT printf('%.*c', 1000000000, 'x')",
    "a long needle": "SELECT instr(zeroblob(9000000), zeroblob(4500000) || x'01')",
    "a long replacement": "SELECT replace(hex(zeroblob(4500000)), hex(zeroblob(2000000)) || '1', '')",
    "letters to trim": "SELECT trim(hex(zeroblob(4500000)), printf('%.*c', 700000, 'x') || '0')",
    "a patch of JSON": COUNT + ", part AS (SELECT i FROM n LIMIT 300000), object AS (SELECT '{' || "
    "group_concat('\"' || i || '\":1') || '}' AS text FROM part) SELECT length(json_patch(text, text)) FROM object",
}
LARGE = {  # what would take all memory
    "many values": COUNT + "SELECT randomblob(9000000) FROM n",
    "many values in a row": "SELECT " + ", ".join(["randomblob(9000000)"] * 200),
    "many long rows": COUNT + "SELECT hex(zeroblob(4000000)) FROM n LIMIT 1000",
    "one long text of many": COUNT + "SELECT group_concat(i) FROM n",
    "one long array": COUNT + "SELECT json_group_array(i) FROM n",
    "a tower of tables": f"WITH c0 AS (SELECT 1 AS x UNION ALL SELECT 2), {BOMB} SELECT count(*) FROM c12",
    "many columns": COUNT + "SELECT " + ", ".join(["i"] * 1900) + " FROM n",
    "many patterns": COUNT + f"SELECT 1 FROM n WHERE hex(zeroblob(100000 + i % 2)) LIKE {'%0' * 300 + '1'!r}",
    "growing text": "WITH RECURSIVE t(x) AS (SELECT 'xx' UNION ALL SELECT x || x FROM t) SELECT max(length(x)) FROM t",
}
GREEDY = {**ENDLESS, **UNSTOPPABLE, **LARGE}
