"""A report as text, for every command that prints one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from teachmatters.cli import options, output
from teachmatters.reports.tables import formats

if TYPE_CHECKING:
    from teachmatters.reports.run import Report

BOOKTABS = r"% The preamble needs \usepackage{booktabs}"


def report_text(found: Report, style: options.ReportFormat, *, to_file: bool = False) -> str:
    """Return a report as text: CSV and JSON have the raw rows, the others a rounded table with notes and caption."""
    if style in ("csv", "json"):
        for line in found.caption:
            output.say(line)
        return output.render(found.data.columns, found.data.rows, style, to_file=to_file)
    table = found.table
    text = output.render(
        list(table.columns),
        table.values.tolist(),
        style,
        table.attrs.get("bold", ()),
        table.attrs.get("labels", 1),
        to_file=to_file,
    )
    if (caption := table.attrs.get("caption")) and style in ("latex", "markdown"):
        # The headings of the table have the metrics already.
        about = " ".join([caption, *(f"{line}." for line in found.caption if line.startswith(("Data: ", "Setting")))])
        label = f"tab:{found.spec.name}"
        if style == "latex":
            return f"{BOOKTABS}\n{formats.latex_float(text, about, label)}"
        return f"{text}\n{formats.visible(about)}\n"
    footer = [*filter(None, [caption]), *table.attrs.get("notes", ()), *found.caption]
    if style == "table":
        below = output.paragraphs(footer, to_file=to_file)
        shown = text if to_file else output.beginning(text, below.count("\n") + 2)
        return f"{shown}\n{below}\n"
    head, mark, gap = (f"{BOOKTABS}\n", "% ", "\n") if style == "latex" else ("", "", "  \n")
    return head + text + "\n" + gap.join(mark + formats.visible(line) for line in footer) + "\n"
