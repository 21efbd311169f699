"""The built-in commands, registered through the same hook as those of plugins."""

from __future__ import annotations

from teachmatters.api import CommandSpec
from teachmatters.hookspecs import hookimpl

# In the order of ``tm --help``. A command's name is also its module's.
SUMMARIES = {
    "analyze": "Measure models on data and record every number in the store.",
    "study": "Run a study: a YAML file that names models, data sets and analyses.",
    "report": "Show results from the store as a table or a figure. Without NAME: list the reports.",
    "visualize": "Draw a model's attention over images, in grids of layers, heads and query positions.",
    "query": "Run a SQL query on the views results, all_results, runs and maps.",
    "export": "Write the view results, or the rows of a query, to a CSV, JSON or Parquet file.",
    "browse": "Browse the store in Datasette, read-only: views, filters and SQL. Ctrl-C stops the server.",
    "models": "List the models, or show one.",
    "datasets": "List the data sets, or show one: its source, the expected layout and the contents of a folder.",
    "metrics": "List the metrics, or show one metric or all metrics of an analysis.",
    "plugins": "List the plugins, their contents and their problems.",
    "plugin": "Create a plugin, or check installed ones.",
    "fetch": "Download the weights of models in advance, for offline machines or runs that should not wait.",
    "demo": "Run the paper in miniature: seven models that differ only in supervision, every analysis, every report.",
    "cache": "List or remove the features and states that forward passes cached for later commands.",
    "db": "Locate, inspect, migrate, compact or merge results stores.",
}


@hookimpl
def register_commands() -> list[CommandSpec]:
    """Return every command of this package."""
    return [
        CommandSpec(name=name, summary=summary, app=f"teachmatters.cli.{name}:app")
        for name, summary in SUMMARIES.items()
    ]
