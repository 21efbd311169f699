"""Write docs/reference/: every command as its code declares it, the views as the store declares them, the queries.

In docs/models.md and docs/measures.md, write the tables between their marks; the rest of these pages is hand-written.

``make docs`` runs it; a test compares what it would write with what is there.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from teachmatters.analyses.specs import register_analyses
from teachmatters.api import AnalysisSpec, MetricSpec, Parameter
from teachmatters.cli.app import LazyCommand, app
from teachmatters.cli.catalog.listing import number_range
from teachmatters.cli.specs import register_commands
from teachmatters.models.timm.families import FAMILIES, TimmFamily
from teachmatters.models.timm.named import NAMED
from teachmatters.store.columns import COLUMNS

sys.path.insert(0, str(Path(__file__).parents[1]))  # the tests are not part of the package
from tests.models.wrappings import WRAPPINGS, Wrapping

DOCS = Path(__file__).parent
MADE = "<!-- Written by docs/generate.py: change the code that it reads instead. -->\n"
# The help's names for a value of any kind.
PLAIN = ("str", "list[str]", "list[Path]")

COMMANDS = f"""{MADE}
# Every command

The output of `--help`, command by command, without the commands of plugins. [Commands](../commands.md) is the guide: it
explains the options in use, and the exit codes.
"""
TABLE_BEGINS = "<!-- Written by docs/generate.py from here -->"
TABLE_ENDS = "<!-- to here -->"
SPECS_BEGIN = "<!-- Written by docs/generate.py from the specs of {}, from here -->"
FILES_BEGIN = "<!-- Written by docs/generate.py from tests/models/wrappings.py from here -->"
VIEWS = f"""{MADE}
# The views

The four views of [the results store](../store.md), column by column, and twelve queries to begin with.
"""
ABOUT = {
    "results": "One row for each number: for each (model, data set, split, analysis, setting, protocol, metric, other "
    "model), the rows of the newest run that recorded the metric.",
    "all_results": "The columns of `results`, and one more. Rows that a newer run of the same key replaced (after "
    "`--force`, or because weights, data or the analysis's version changed) stay here.",
    "runs": "One row for each run: the origin of its numbers.",
    "maps": "Arrays, one row for each (run, name, layer): averaged attention maps, and under `unit:<metric>` the "
    "scores of single units. `tm metrics` lists the maps, too.",
}
QUERIES = """## Twelve queries

They are in `docs/queries/`. Each returns rows on a store that has its metrics; all but the last do so on the bundled
store. In a checkout, `tm query "$(cat docs/queries/04-best-layer.sql)"` runs one. All but two run on SQLite and on
PostgreSQL; the two use JSON functions, which differ between databases.
"""


def pages() -> dict[str, str]:
    """Return the text of each page by its path below ``docs/``."""
    return {
        "reference/commands.md": commands_page(),
        "reference/views.md": views_page(),
        "measures.md": measures_page((DOCS / "measures.md").read_text("utf-8")),
        "models.md": models_page((DOCS / "models.md").read_text("utf-8")),
    }


# ---------------------------------------------------------------- commands
def commands_page() -> str:
    """Return the page of built-in commands: help, arguments, options, examples."""
    parts = [COMMANDS, *_command("tm", typer.main.get_command(app))]
    for spec in register_commands():
        for name, command in _leaves(f"tm {spec.name}", LazyCommand(spec).real()):
            parts += _command(name, command)
    return "\n".join(parts)


def _leaves(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(command, TyperGroup):
        yield name, command
        return
    for part, below in command.commands.items():
        yield from _leaves(f"{name} {part}", below)


def _command(name: str, command: Any) -> Iterator[str]:
    told, _, examples = (command.help or "").partition("Examples:")
    yield f"## {name}\n\n{_safe(told.strip())}\n"
    context = typer.Context(command)
    records = [parameter.get_help_record(context) for parameter in command.params if not parameter.hidden]
    rows = [_option(*record) for record in records if record]
    if rows:
        yield _table(("option", "default", "meaning"), rows)
    # Examples are indented; paragraphs below them, such as the exit codes, are not.
    below = [line for line in examples.splitlines() if line.strip()]
    lines = [line.strip() for line in below if line.startswith(" ")]
    yield "\n".join(["```sh", *lines, "```", ""])
    if after := [line for line in below if not line.startswith(" ")]:
        yield _safe("\n".join(after)) + "\n"


def _option(names: str, told: str) -> tuple[str, str, str]:
    """Return the table cells of an option, from ``-m, --model NAME`` and ``Which one.  [default: all]`` in the help."""
    names, _, kind = names.removesuffix(">").partition(" <")
    if kind in PLAIN:
        names = f"{names} TEXT" if names.startswith("-") else names.upper()
    told, _, extra = told.partition("  [")
    if kind not in ("", *PLAIN):
        told += " Allowed: " + ", ".join(f"`{one}`" for one in kind.split("|")) + "."
    default = extra.removesuffix("]").removeprefix("default: ")
    return f"`{names}`", default if default in ("", "required") else f"`{default}`", _safe(told, table=True)


# ---------------------------------------------------------------- views
def views_page() -> str:
    """Return the page of views with their columns, and the queries."""
    parts = [VIEWS]
    for view, columns in COLUMNS.items():
        shown = columns if view != "all_results" else {"is_newest": columns["is_newest"]}
        parts += [f"## {view}\n\n{ABOUT[view]}\n"]
        parts += [_table(("column", "meaning"), [(f"`{name}`", meaning) for name, meaning in shown.items()])]
    return "\n".join([*parts, QUERIES, *(_query(path) for path in sorted((DOCS / "queries").glob("*.sql")))])


def _query(path: Path) -> str:
    title, _, sql = path.read_text("utf-8").partition("\n")
    heading = title.removeprefix("/* ").removesuffix(" */")
    return f'### {heading}\n\n```sql title="docs/queries/{path.name}"\n{sql.strip()}\n```\n'


# ---------------------------------------------------------------- measures
ROWS = {
    "layer": "one per layer",
    "head": "one per head",
    "category": "one per category",
    "layer-pair": "one per pair of layers",
    "map": "one array per layer",
}
DIRECTIONS = {True: "higher is better", False: "lower is better", None: "none"}


def measures_page(page: str) -> str:
    """Return the page with the facts of every built-in analysis between its marks."""
    for spec in register_analyses():
        page = _between(page, SPECS_BEGIN.format(spec.name), "\n".join(_analysis(spec)))
    return page


def _analysis(spec: AnalysisSpec) -> Iterator[str]:
    """Yield the tables of an analysis: its data, its parameters, its metrics."""
    facts = {"data": spec.kinds, "default data set": [spec.default_data], "`--data paper`": spec.paper_data}
    yield _table(("", ""), [(name, ", ".join(f"`{value}`" for value in values)) for name, values in facts.items()])
    if spec.parameters:
        yield _table(("parameter", "default", "allowed", "meaning"), map(_parameter, spec.parameters))
    head = ("metric", "meaning", "unit", "range", "direction", "rows", "needs", "source")
    yield _table(head, [_metric(metric) for metric in spec.metrics])


def _parameter(parameter: Parameter) -> Iterator[str]:
    default = parameter.default
    yield f"`{parameter.name}`"
    yield "" if default is None else f"`{','.join(map(str, default)) if isinstance(default, tuple) else default}`"
    yield ", ".join(f"`{choice}`" for choice in parameter.choices) or number_range(parameter.minimum, parameter.maximum)
    yield _safe(parameter.summary, table=True) + ("" if parameter.in_setting else "; changes no number")


def _metric(metric: MetricSpec) -> Iterator[str]:
    protocols = ", ".join(f"`{name}`" for name in metric.protocols if name)
    yield f"`{metric.name}`"
    yield _safe(metric.summary, table=True)
    yield metric.unit
    yield number_range(*metric.bounds)
    yield DIRECTIONS[metric.higher_is_better]
    yield ROWS[metric.level] + (f", for each protocol ({protocols})" if protocols else "")
    tokens = ["class token"] * metric.needs_class_token + ["registers"] * metric.needs_registers
    yield ", ".join(tokens + [f"`{metric.kind}`"] * bool(metric.kind))
    yield metric.source


# ---------------------------------------------------------------- models
def models_page(page: str) -> str:
    """Return the page with its two generated tables: the families that timm publishes, and the layouts of files."""
    head = ("family", "members", "timm ids", "trained by", "size", "licence")
    page = _between(page, TABLE_BEGINS, _table(head, [_family(family) for family in FAMILIES]))
    return _between(page, FILES_BEGIN, _table(("layout", "wrapper", "prefix", "#NAME", "outcome"), _files()))


def _between(page: str, begins: str, table: str) -> str:
    if begins not in page:
        raise ValueError(f"the page lacks the line {begins!r}, and '{TABLE_ENDS}' after it")
    before, _, rest = page.partition(begins)
    _, _, after = rest.partition(TABLE_ENDS)
    return f"{before}{begins}\n\n{table}\n{TABLE_ENDS}{after}"


def _files() -> list[tuple[str, ...]]:
    """Return one line for each kind of file; wrappers and prefixes with the same outcome share a line."""
    lines: dict[tuple[str, ...], list[Wrapping]] = {}
    for row in WRAPPINGS:
        alike = (row.layout, bool(row.wrapper), bool(row.prefix), row.name, bool(row.refused))
        single = "," not in row.wrapper + row.prefix
        lines.setdefault((*map(str, alike), "" if single else row.wrapper + row.prefix), []).append(row)
    return [
        (
            rows[0].layout,
            _code(row.wrapper for row in rows),
            _code(row.prefix for row in rows),
            _code([rows[0].name]),
            "refused" if rows[0].refused else "read",
        )
        for rows in lines.values()
    ]


def _code(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in dict.fromkeys(words) if word)


def _family(family: TimmFamily) -> Iterator[str]:
    members = [model for model in NAMED.values() if model.family is family]
    yield f"`{family.name}`"
    yield ", ".join(f"`{model.name}`" for model in members)
    yield ", ".join(f"`{model.timm_id}`" for model in members)
    yield family.supervision
    yield ", ".join(map(str, sorted({model.pixels for model in members})))
    yield family.licence


# ---------------------------------------------------------------- Markdown
def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = tuple(head)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _safe(text: str, *, table: bool = False) -> str:
    for character in "<*" + "|" * table:
        text = text.replace(character, "\\" + character)
    return text


def main() -> None:
    """Write the pages that have changed."""
    for name, text in pages().items():
        path = DOCS / name
        path.parent.mkdir(exist_ok=True)
        if not path.is_file() or path.read_text("utf-8") != text:
            path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
