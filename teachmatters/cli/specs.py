"""The built-in commands, registered through the same hook as those of plugins."""

from __future__ import annotations

from teachmatters.api import CommandSpec
from teachmatters.hookspecs import hookimpl

# The module of each command, which ends in the command's name. In the order of ``tm --help``.
SUMMARIES = {
    "measure.analyze": "Measure models on data and record every number in the store.",
    "measure.study": "Run a study: a YAML file that names models, data sets and analyses.",
    "results.report": "Show results as a table or a figure. Without NAME: list the reports.",
    "measure.visualize": "Draw a model's attention over images, or explore it patch by patch in a browser.",
    "results.query": "Run a SQL query on the views results, all_results, runs and maps.",
    "results.export": "Write the view results, or the rows of a query, to a CSV, JSON or Parquet file.",
    "results.browse": "Browse the store in Datasette, read-only: views, filters and SQL. Ctrl-C stops the server.",
    "catalog.models": "List the models, or show one.",
    "catalog.datasets": "List the data sets, or show one: its source, its layout and the contents of a folder.",
    "catalog.metrics": "List the metrics, or show one metric, or all metrics of an analysis and its parameters.",
    "catalog.plugins": "List the plugins, their contents and their problems.",
    "catalog.plugin": "Create a plugin, or check installed ones.",
    "catalog.fetch": "Download the weights of models in advance, for offline machines or runs that must not wait.",
    "measure.demo": "Run the paper in miniature: seven models that differ only in supervision.",
    "results.cache": "List or remove the features and states that forward passes cached for later commands.",
    "results.db": "Locate, inspect, migrate, compact or merge results stores.",
    "general.config": "Show your defaults, or set one in the configuration file. Environment variables override it.",
    "general.help": "Show the help of a command, as 'tm COMMAND --help' does. Without COMMAND: the list of commands.",
}


@hookimpl
def register_commands() -> list[CommandSpec]:
    """Return every command of this package."""
    return [
        CommandSpec(name=module.partition(".")[2], summary=summary, app=f"teachmatters.cli.{module}:app")
        for module, summary in SUMMARIES.items()
    ]
