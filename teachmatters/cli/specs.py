"""The built-in commands, in the order of ``tm --help``. They come through the hook of everybody else's."""

from __future__ import annotations

from teachmatters.api import CommandSpec
from teachmatters.hookspecs import hookimpl

SUMMARIES = {
    "analyze": "Measure models on data and record every number in the store.",
    "study": "Carry out a study: a YAML file that names models, data sets and analyses.",
    "report": "Show results from the store, as a table or a drawing. Without NAME: list the reports.",
    "visualize": "Lay a model's attention over images: grids of layers, heads and the positions that look.",
    "query": "Ask the store in SQL, of the views results, all_results, runs and maps.",
    "export": "Write the view results, or the rows of a query, to a CSV, JSON or Parquet file.",
    "browse": "Open the store in Datasette, for reading: look through the views, filter, ask in SQL. Ctrl-C stops it.",
    "models": "List the models, or show one.",
    "datasets": "List the data sets, or show one: where to get it, the layout expected, and what a folder holds of it.",
    "metrics": "List the metrics, or show one, or an analysis with all it measures.",
    "plugins": "List the plugins, what they offer and what is wrong with them.",
    "plugin": "Write a plugin that works from the first minute, and check what installed ones promise.",
    "fetch": "Fetch the weights of models beforehand, for machines without a network or runs that should not wait.",
    "demo": "The paper in miniature: seven models that differ in supervision alone, every analysis, every report.",
    "cache": "What passes have left beside the store for later commands: list it, drop it.",
    "db": "Where the results store is, what it holds, bring it up to date, make it small, join several.",
}
"""By name, which is also the module's."""


@hookimpl
def register_commands() -> list[CommandSpec]:
    """Every command of this package."""
    return [
        CommandSpec(name=name, summary=summary, app=f"teachmatters.cli.{name}:app")
        for name, summary in SUMMARIES.items()
    ]
