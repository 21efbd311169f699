"""Run examples/first-hour.ipynb, store its outputs in it, and write docs/first-hour.md from them.

``python docs/notebook.py`` runs it, in about a minute. A test runs the notebook's code, and compares the page with what
the stored outputs give.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import io
import json
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "examples" / "first-hour.ipynb"
PAGE = ROOT / "docs" / "first-hour.md"
IMAGES = ROOT / "docs" / "images" / "first-hour"
MADE = "<!-- Written by docs/notebook.py from examples/first-hour.ipynb: change that instead. -->\n"
LONGEST = 16  # lines of a text output on the page

Cell = dict[str, Any]


def run(cells: list[Cell]) -> None:
    """Run the code cells in one namespace, as a notebook does, and put what they show into their ``outputs``."""
    names: dict[str, Any] = {}
    for number, cell in enumerate((cell for cell in cells if cell["cell_type"] == "code"), start=1):
        written = io.StringIO()
        with contextlib.redirect_stdout(written), contextlib.redirect_stderr(written):
            value = evaluate("".join(cell["source"]), names)
        cell["execution_count"] = number
        cell["outputs"] = []
        if written.getvalue():
            text = written.getvalue().splitlines(keepends=True)
            cell["outputs"].append({"output_type": "stream", "name": "stdout", "text": text})
        if value is not None:
            shown = {"output_type": "execute_result", "execution_count": number, "metadata": {}, "data": bundle(value)}
            cell["outputs"].append(shown)


def evaluate(source: str, names: dict[str, Any]) -> Any:
    """Run the statements of a cell; return the value of its last line if that is an expression."""
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, NOTEBOOK.name, "exec"), names)  # noqa: S102  our own notebook
    if last is None:
        return None
    assert isinstance(last, ast.Expr)
    return eval(compile(ast.Expression(last.value), NOTEBOOK.name, "eval"), names)  # noqa: S307


def bundle(value: Any) -> dict[str, Any]:
    """Return the forms in which a notebook stores a value: an image, or HTML, and text."""
    forms: dict[str, Any] = {"text/plain": repr(value).splitlines(keepends=True)}
    if hasattr(value, "_repr_png_"):
        forms = {"image/png": base64.b64encode(value._repr_png_()).decode(), "text/plain": ["<Figure>"]}
    elif hasattr(value, "_repr_html_"):
        forms["text/html"] = value._repr_html_().splitlines(keepends=True)
    return forms


def page(cells: list[Cell]) -> tuple[str, dict[str, bytes]]:
    """Return the page, and its images by file name."""
    images: dict[str, bytes] = {}
    parts = [MADE]
    for cell in cells:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source + "\n")
            continue
        parts.append(f"```python\n{source}\n```\n")
        parts += [part for output in cell["outputs"] for part in shown(output, images)]
    return "\n".join(parts), images


def shown(output: Cell, images: dict[str, bytes]) -> Iterator[str]:
    """Yield an output as Markdown; add its image to ``images``."""
    data = output.get("data", {})
    if "image/png" in data:
        name = f"{len(images) + 1}.png"
        images[name] = base64.b64decode(data["image/png"])
        yield f"![Figure {len(images)}](images/first-hour/{name})\n"
    elif "text/html" in data:
        yield re.sub(r"<style.*?</style>\s*", "", "".join(data["text/html"]), flags=re.DOTALL).strip() + "\n"
    else:
        lines = "".join(output.get("text", data.get("text/plain", []))).splitlines()
        cut = [*lines[:LONGEST], "..."] if len(lines) > LONGEST else lines
        yield "```text\n" + "\n".join(cut) + "\n```\n"


def main() -> None:
    """Run the notebook in an empty folder and write it, the page and the images."""
    notebook = json.loads(NOTEBOOK.read_text("utf-8"))
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        run(notebook["cells"])
    NOTEBOOK.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", "utf-8")
    text, images = page(notebook["cells"])
    PAGE.write_text(text, "utf-8")
    IMAGES.mkdir(parents=True, exist_ok=True)
    for name, image in images.items():
        (IMAGES / name).write_bytes(image)


if __name__ == "__main__":
    os.environ["MPLBACKEND"] = "agg"
    main()
