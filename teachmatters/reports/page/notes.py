"""The note on a page: a subset of Markdown as HTML, with everything else as text."""

from __future__ import annotations

import html
import re
from pathlib import Path

from teachmatters.errors import TeachMattersError

MOST = 1 << 20  # bytes

_SPANS = (
    (re.compile(r"`([^`]+)`"), r"<code>\1</code>"),
    (re.compile(r"\*\*([^*]+)\*\*"), r"<b>\1</b>"),
    (re.compile(r"\*([^*]+)\*"), r"<i>\1</i>"),
    (re.compile(r"\[([^\]]+)\]\((https?://[^\s()\"']+)\)"), r'<a href="\2" rel="noreferrer">\1</a>'),
)


def read_note(path: Path) -> str:
    """Read a file of notes as HTML.

    Raises:
        TeachMattersError: it cannot be read, is too large, or is not UTF-8.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MOST + 1)
        text = data.decode("utf-8")
    except OSError as error:
        raise TeachMattersError(f"--note {str(path)!r}: {error.strerror}; name a Markdown file") from error
    except UnicodeDecodeError as error:
        raise TeachMattersError(f"--note {str(path)!r} is not UTF-8 text; name a Markdown file") from error
    if len(data) > MOST:
        raise TeachMattersError(f"--note {str(path)!r} has more than {MOST:,} bytes; shorten it")
    return to_html(text)


def to_html(text: str) -> str:
    """Return headings, paragraphs, lists, bold, italics, code and links of Markdown as HTML.

    >>> to_html("# A *b*" + chr(10) + "- one" + chr(10) + "- <two>")
    '<h3>A <i>b</i></h3><ul><li>one</li><li>&lt;two&gt;</li></ul>'
    """
    found: list[str] = []
    for block in re.split(r"\n\s*\n", text.strip()):
        lines: list[str] = []
        items: list[str] = []
        for line in [*block.splitlines(), ""]:
            item = re.match(r"\s*[-*]\s+(.*)", line)
            if items and not item:
                found.append(f"<ul>{''.join(f'<li>{_spans(each)}</li>' for each in items)}</ul>")
                items = []
            if lines and (item or line.startswith("#") or not line):
                found.append(f"<p>{_spans(' '.join(lines))}</p>")
                lines = []
            if item:
                items.append(item[1])
            elif heading := re.match(r"#+\s+(.*)", line):
                found.append(f"<h3>{_spans(heading[1])}</h3>")
            elif line:
                lines.append(line)
    return "".join(found)


def _spans(text: str) -> str:
    shown = html.escape(text, quote=False)
    for pattern, replacement in _SPANS:
        shown = pattern.sub(replacement, shown)
    return shown
