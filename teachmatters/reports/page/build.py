"""The whole page: which reports, in which order, and what stands around them."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from importlib import resources
from string import Template

from teachmatters.api import ReportSpec
from teachmatters.errors import DamagedError, TeachMattersError
from teachmatters.reports.catalog import TIMEOUT, Catalog, read_catalog
from teachmatters.reports.figures import style
from teachmatters.reports.options import Options
from teachmatters.reports.page.runs import Runs
from teachmatters.reports.page.section import Section, embedded
from teachmatters.reports.run import run_report
from teachmatters.store.location import StoreLocation
from teachmatters.store.reader import query

NAME = "page"
SUMMARY = "everything there is as one HTML file that works offline: sortable tables, curves with hover, maps, SQL, runs"

CHAPTERS = {
    "Which layer is best": ("best-layers", "summary", "compare", "scatter"),
    "Why: what the features are of use for": ("knn", "retrieval", "video", "keypoints"),
    "How they attend": ("attention-distance", "attention-iou", "heads", "attention-maps", "aligned-maps"),
    "What they represent": ("cka", "cka-last-layer", "residual", "clusters", "parts"),
}
MORE = "More"
PAIRED, MOST_PAIRED = ("cka", "cka-last-layer"), 24
"""Reports of all pairs of models, and of how many models a page can hold them."""

# Not by way of the view of all results, which would be a walk through millions of them.
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


def build(path: StoreLocation, specs: Iterable[ReportSpec], options: Options, advance: Callable[[], None]) -> str:
    """The page's HTML.

    Args:
        path: the store.
        specs: reports to show; those that are about any metric are left out, as they are about none in particular.
        options: models, data sets and setting to show, for every report.
        advance: is called after each report.

    Raises:
        TeachMattersError: no report has anything to show; the message is the first one's.
    """
    runs, catalog = Runs(path), read_catalog(path)
    chapters: dict[str, list[Section]] = {name: [] for name in (*CHAPTERS, MORE)}
    silent: dict[str, TeachMattersError] = {}
    for chapter, spec in _in_order(specs):
        try:
            _refuse_too_many(spec, catalog, options)
            report = run_report(spec, path, options, catalog)
        except DamagedError:
            raise
        except TeachMattersError as error:
            silent[spec.name] = error
        else:
            chapters[chapter].append(Section.of(report, runs))
        advance()
    if not any(chapters.values()) and silent:
        raise next(iter(silent.values()))
    return _page(path, {name: sections for name, sections in chapters.items() if sections}, silent)


def count(specs: Iterable[ReportSpec]) -> int:
    """How many reports the page will ask for."""
    return len(_in_order(specs))


def _refuse_too_many(spec: ReportSpec, catalog: Catalog, options: Options) -> None:
    """Pairs grow with the square of the models."""
    if spec.name not in PAIRED:
        return
    models = len(catalog.find_models(options.models) or catalog.models)
    if models > MOST_PAIRED:
        raise TeachMattersError(
            f"{models} models make too many pairs for one page; --model chooses up to {MOST_PAIRED} of them, and 'tm "
            f"report {spec.name}' shows them all."
        )


def _in_order(specs: Iterable[ReportSpec]) -> list[tuple[str, ReportSpec]]:
    known = {spec.name: spec for spec in specs if spec.metrics or spec.directed}
    placed = [(chapter, known.pop(name)) for chapter, names in CHAPTERS.items() for name in names if name in known]
    return placed + [(MORE, spec) for spec in known.values()]


def _page(path: StoreLocation, chapters: dict[str, list[Section]], silent: dict[str, TeachMattersError]) -> str:
    sections = [section for each in chapters.values() for section in each]
    fill = {
        "title": html.escape(f"teachmatters: {path.name}"),
        "facts": _facts(path),
        "contents": "".join(_contents(name, each) for name, each in chapters.items()),
        "body": "".join(_chapter(name, each) for name, each in chapters.items()) + _silent(silent, path),
        "style": _asset("page.css"),
        "script": _asset("page.js"),
        "plotly": _plotly() if any(section.draws for section in sections) else "",
        "looks": embedded(_looks(path)),
    }
    return Template(_asset("page.html")).substitute(fill)


def _facts(path: StoreLocation) -> str:
    """What the store holds and when this was written."""
    sql = "SELECT count(*), count(DISTINCT model), count(DISTINCT dataset), max(finished_at) FROM runs"
    ((runs, models, data, newest),) = query(path, sql, timeout=TIMEOUT).rows
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    held = ", ".join(_counted(*each) for each in ((models, "model"), (data, "data set"), (runs, "run")))
    said = f"{held}, the newest of {str(newest)[:10]}. Written {now}."
    return html.escape(said)


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _looks(path: StoreLocation) -> dict[str, dict[str, str]]:
    """Each model's colour and line, the same as in the drawings."""
    rows = [
        dict(zip(("model", "family", "supervision"), row, strict=True))
        for row in query(path, _MODELS, timeout=TIMEOUT).rows
    ]
    dashes = {"-": "solid", "--": "dash", "-.": "dashdot", ":": "dot"}
    return {name: {"colour": look.colour, "dash": dashes[look.line]} for name, look in style.looks(rows).items()}


def _contents(name: str, sections: Sequence[Section]) -> str:
    items = "".join(f'<li><a href="#{each.anchor}">{html.escape(each.name)}</a></li>' for each in sections)
    return f"<li>{html.escape(name)}<ul>{items}</ul></li>"


def _chapter(name: str, sections: Sequence[Section]) -> str:
    return f"<h2>{html.escape(name)}</h2>" + "".join(section.html for section in sections)


def _silent(silent: dict[str, TeachMattersError], path: StoreLocation) -> str:
    """What the store has nothing for; the page goes to others, whom the folders of this machine do not concern."""
    if not silent:
        return ""
    said = {name: str(why).replace(str(path), path.name) for name, why in silent.items()}
    items = "".join(f"<li><b>{html.escape(name)}</b>: {html.escape(why)}</li>" for name, why in said.items())
    return f"<h2>Not in this store</h2><ul>{items}</ul>"


def _asset(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    text: str = get_plotlyjs()
    return text.replace("</script", "<\\/script")
