"""A self-contained HTML page: it loads nothing from anywhere, is readable in light, in dark and on paper."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Sequence
from html import escape

from features.numbers_in_words import Language
from training.measuring.tables import Table

STYLE = """
:root { color-scheme: light dark; --ink: #222; --soft: #666; --line: #ddd; --paper: #fff; --shade: #f4f6f9; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e6e6; --soft: #a8a8a8; --line: #444; --paper: #17191c; --shade: #22262b; }
}
body { font: 16px/1.55 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem;
  color: var(--ink); background: var(--paper); }
h1 { margin-bottom: .3rem; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); padding-bottom: .2rem; }
h3 { margin-bottom: .3rem; }
.lead { font-size: 1.15rem; background: var(--shade); border-radius: .5rem; padding: .8rem 1.2rem; }
.soft { color: var(--soft); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: .5rem 0 1rem; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th { white-space: normal; vertical-align: bottom; }
th:first-child, td:first-child { text-align: left; }
summary { cursor: pointer; margin: .5rem 0; }
figure { margin: .5rem 0 1rem; }
img { max-width: 100%; height: auto; background: #fff; border-radius: .3rem; }
@media print {
  body { max-width: none; font-size: 11pt; }
  h2, h3 { break-after: avoid; }
  figure, table { break-inside: avoid; }
  .wide { overflow: visible; }
  table { font-size: 7.5pt; }
}
"""


def page(title: str, parts: Iterable[str], language: Language = "en") -> str:
    """The page of finished parts."""
    head = (
        f"<!doctype html><html lang='{language}'><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width'>"
        f"<title>{escape(title)}</title><style>{STYLE}</style>"
    )
    return "\n".join([head, f"<h1>{escape(title)}</h1>", *parts, "</html>"])


def heading(text: str) -> str:
    """A heading of a section."""
    return f"<h2>{escape(text)}</h2>"


def paragraph(text: str, style: str = "") -> str:
    """A paragraph; `style` is `lead` for what is to be read first, `soft` for small print."""
    return f"<p class='{style}'>{_text(text)}</p>" if style else f"<p>{_text(text)}</p>"


def bullets(lines: Iterable[str]) -> str:
    """A list."""
    return "<ul>" + "".join(f"<li>{_text(line)}</li>" for line in lines) + "</ul>"


def figure(title: str, text: str, picture: bytes) -> str:
    """A PNG inside the page, with what it shows."""
    source = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
    image = f"<figure><img alt='{escape(title)}' src='{source}'></figure>"
    return f"<h3>{escape(title)}</h3><p>{_text(text)}</p>{image}"


def folded(title: str, content: str) -> str:
    """What is long and seldom read: it opens when its title is touched, and is printed as it stands."""
    return f"<details><summary>{escape(title)}</summary>{content}</details>"


def html_table(table: Table) -> str:
    """A table; a wide one scrolls by itself."""
    rows = [_row("th", table.head), *(_row("td", cells) for cells in table.rows)]
    return f"<h3>{escape(table.title)}</h3><div class='wide'><table>{''.join(rows)}</table></div>"


def markdown_table(table: Table) -> str:
    """The same in Markdown."""
    lines = [table.head, ["---"] * len(table.head), *table.rows]
    body = "\n".join("| " + " | ".join(_markdown_cell(cell) for cell in cells) + " |" for cells in lines)
    return f"\n### {table.title}\n\n{body}"


def marked(name: str, content: str) -> str:
    """Content that `replaced` can find again in a page or in Markdown."""
    return f"<!-- {name} -->\n{content}\n<!-- end of {name} -->"


def replaced(text: str, name: str, content: str) -> str:
    """The text with other content at the mark; as it is where there is no such mark."""
    pattern = re.compile(f"<!-- {re.escape(name)} -->.*?<!-- end of {re.escape(name)} -->", re.DOTALL)
    return pattern.sub(lambda _: marked(name, content), text, count=1)


def _text(text: str) -> str:
    """Running text: words in backticks are code, a number and its percent sign stay on one line."""
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(text)).replace(" %", "&nbsp;%")


def _markdown_cell(text: str) -> str:
    """Text that stays one cell: no bar, no line, no tag."""
    return " ".join(text.replace("|", "\\|").replace("<", "&lt;").split())


def _row(tag: str, cells: Sequence[str]) -> str:
    return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"
