"""The whole page: the reports in order, with findings, contents and notes."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import resources
from string import Template

from teachmatters.api import ReportSpec
from teachmatters.errors import DamagedError, TeachMattersError
from teachmatters.reports import titles
from teachmatters.reports.catalog import TIMEOUT, Catalog, read_catalog
from teachmatters.reports.figures import style
from teachmatters.reports.options import Options
from teachmatters.reports.page.chart_data import embedded
from teachmatters.reports.page.findings import findings
from teachmatters.reports.page.runs import Runs
from teachmatters.reports.page.section import MOST_MODELS, Section, anchor, embedded_explorer
from teachmatters.reports.run import Report, run_report
from teachmatters.store.location import StoreLocation
from teachmatters.store.reader import query

NAME = "page"
SUMMARY = "everything as one HTML file that works offline: findings, interactive curves, maps, tables, SQL, runs"

CHAPTERS = {
    "Which layer is best": ("best-layers", "summary", "compare", "scatter"),
    "Downstream tasks": ("knn", "linear", "retrieval", "dense", "video", "keypoints"),
    "How they attend": (
        "attention-distance",
        "attention-iou",
        "heads",
        "layers-heads",
        "attention-maps",
        "aligned-maps",
    ),
    "What they represent": ("cka", "cka-last-layer", "residual", "clusters", "parts"),
}
EXPLORED = "How they attend"  # the chapter that an explorer ends
MORE = "More"
SCRIPTS = ("charts.js", "maps.js", "page.js")  # in this order
FIRST = ("knn", "attention-distance")  # reports whose first curves are next to the findings
# The reports of all pairs of models, and those with a panel of heads for each model; the largest number of models for
# which the page shows them.
PAIRED, MOST_PAIRED = ("cka", "cka-last-layer"), 24
PANELLED = ("heads", "layers-heads", "attention-maps", "aligned-maps")
# Curves with a point for each head; of more models the page shows the curves alone. No head has the number 0.
POINTED, NO_HEADS = ("attention-distance",), (0,)

# The view of all results would scan millions of rows.
_MODELS = """
SELECT run.model, models.family, models.supervision
FROM run_facts AS run
JOIN models ON models.id = run.model_id
UNION
SELECT run.other_model, models.family, models.supervision
FROM run_facts AS run
JOIN models ON models.id = run.other_model_id
WHERE run.other_model <> ''
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageText:
    """The title and the note of a page, and its length.

    Attributes:
        title: the title of the page; empty for the name of the store.
        note: HTML to show below the title.
        short: True for findings and figures without most tables, queries and runs.
        explorer: an HTML document of ``reports.explorer`` to embed; may be empty.
    """

    title: str = ""
    note: str = ""
    short: bool = False
    explorer: str = ""


def build(
    path: StoreLocation,
    specs: Iterable[ReportSpec],
    options: Options,
    advance: Callable[[], None],
    text: PageText | None = None,
) -> str:
    """Return the page as HTML.

    Args:
        path: the store.
        specs: the reports to show; those for any metric are left out, because no metric is selected.
        options: the models, data sets and setting of every report.
        advance: called after each report.
        text: the title, the note and the length.

    Raises:
        TeachMattersError: no report has anything to show; the message is that of the first report.
    """
    runs, catalog, text = Runs(path), read_catalog(path), text or PageText()
    reports: dict[str, Report] = {}
    chapters: dict[str, list[Section]] = {name: [] for name in (*CHAPTERS, MORE)}
    silent: dict[str, TeachMattersError] = {}
    for chapter, spec in _in_order(specs):
        try:
            report = run_report(spec, path, _fitting(spec, catalog, options), catalog)
        except DamagedError:
            raise
        except TeachMattersError as error:
            silent[spec.name] = error
        else:
            reports[spec.name] = report
            chapters[chapter].append(Section.of(report, runs, short=text.short))
        advance()
    if not any(chapters.values()) and silent:
        raise next(iter(silent.values()))
    if text.explorer:
        chapters[EXPLORED].append(embedded_explorer(text.explorer))
    shown = {name: sections for name, sections in chapters.items() if sections}
    sections = [section for each in shown.values() for section in each]
    body = _first_screen(reports, sections) + "".join(_chapter(name, each) for name, each in shown.items())
    fill = {
        "title": html.escape(text.title or f"teachmatters: {path.name}"),
        "facts": _facts(path),
        "notes": f'<div class="notes">{text.note}</div>' if text.note else "",
        "contents": "".join(_contents(name, each) for name, each in shown.items()),
        "body": body + ("" if text.short else _silent(silent, path)),
        "style": _asset("page.css"),
        "script": "".join(map(_asset, SCRIPTS)) if sections else "",
        "looks": embedded(_looks(path)),
    }
    return Template(_asset("page.html")).substitute(fill)


def _first_screen(reports: Mapping[str, Report], sections: Iterable[Section]) -> str:
    """Return the findings, and the curves that they are about."""
    items = "".join(
        f'<li>{html.escape(one.text)} <a href="#{anchor(one.report)}">{html.escape(one.report)}</a></li>'
        for one in findings(reports)
    )
    holder = '<div class="charts" data-kind="lines" data-of="data-{}" data-panels="1" data-plain></div>'
    drawn = {section.name for section in sections if section.kind == "lines"}
    curves = [holder.format(anchor(name)) for name in FIRST if name in drawn]
    found = f'<div class="findings"><h2>Findings</h2><ul>{items}</ul></div>' if items else ""
    return found + (f'<div class="first">{"".join(curves)}</div>' if curves else "")


def count(specs: Iterable[ReportSpec]) -> int:
    """Return the number of reports that the page tries."""
    return len(_in_order(specs))


def _fitting(spec: ReportSpec, catalog: Catalog, options: Options) -> Options:
    """Return the options of a report that a page has room for.

    Raises:
        TeachMattersError: there are too many models for a report of all pairs, or with a panel for each model.
    """
    most, what = (MOST_PAIRED, "pairs") if spec.name in PAIRED else (MOST_MODELS, "panels")
    models = len(catalog.find_models(options.models) or catalog.models)
    if spec.name in (*PAIRED, *PANELLED) and models > most:
        raise TeachMattersError(
            f"{models} models make too many {what} for one page; select at most {most} of them with --model; "
            f"'tm report {spec.name}' shows them all."
        )
    return replace(options, heads=NO_HEADS) if spec.name in POINTED and models > most else options


def _in_order(specs: Iterable[ReportSpec]) -> list[tuple[str, ReportSpec]]:
    known = {spec.name: spec for spec in specs if spec.metrics or spec.directed}
    placed = [(chapter, known.pop(name)) for chapter, names in CHAPTERS.items() for name in names if name in known]
    return placed + [(MORE, spec) for spec in known.values()]


def _facts(path: StoreLocation) -> str:
    """Return a line about the content of the store, with the current time."""
    sql = "SELECT count(*), count(DISTINCT model), count(DISTINCT dataset), max(finished_at) FROM runs"
    ((runs, models, data, newest),) = query(path, sql, timeout=TIMEOUT).rows
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    held = ", ".join(_counted(*each) for each in ((models, "model"), (data, "data set"), (runs, "run")))
    said = f"{held}, the newest from {str(newest)[:10]}. Written {now}."
    return html.escape(said)


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _looks(path: StoreLocation) -> dict[str, dict[str, str]]:
    """Return each model's colour and line, the same as in the figures."""
    rows = [
        dict(zip(("model", "family", "supervision"), row, strict=True))
        for row in query(path, _MODELS, timeout=TIMEOUT).rows
    ]
    dashes = {"-": "", "--": "6 4", "-.": "7 3 2 3", ":": "2 3"}
    names = titles.display_names(rows)
    return {
        model: {"colour": look.colour, "dash": dashes[look.line], "title": look.title, "name": names[model]}
        for model, look in style.looks(rows).items()
    }


def _contents(name: str, sections: Sequence[Section]) -> str:
    items = "".join(f'<li><a href="#{each.anchor}">{html.escape(each.name)}</a></li>' for each in sections)
    return f"<li><b>{html.escape(name)}</b><ul>{items}</ul></li>"


def _chapter(name: str, sections: Sequence[Section]) -> str:
    return f"<h2>{html.escape(name)}</h2>" + "".join(section.html for section in sections)


def _silent(silent: dict[str, TeachMattersError], path: StoreLocation) -> str:
    """List the reports without data and the reasons, without paths, because the page is made for sharing."""
    if not silent:
        return ""
    said = {name: str(why).replace(str(path), path.name) for name, why in silent.items()}
    items = "".join(f"<li><b>{html.escape(name)}</b>: {html.escape(why)}</li>" for name, why in said.items())
    return f"<h2>Not in this store</h2><ul>{items}</ul>"


def _asset(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
