"""A report as one HTML file that needs neither the app nor a network: its parts to its text. Pure.

Charts travel as data and are drawn by plotly.js inside the file, in the colours of the reader's
theme; paper is always light. All texts are escaped here, charts by the script that draws them.
"""

import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from plotly.offline import get_plotlyjs

from ui.components.assets import read_asset, script

POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"
SCRIPTS = ("themed.js", "report.js")

Value = dict[str, Any]


@dataclass(frozen=True)
class Part:
    """A section of a report.

    Attributes:
        heading: Over it.
        prose: HTML of the app's own sentences, escaped already.
        words: Plain sentences.
        chart: Value of a plot host; its caption and its numbers come with it.
        table: ``columns`` and ``rows`` that stand open.
        text: Stands as it is: a recipe.
    """

    heading: str
    prose: str = ""
    words: Sequence[str] = ()
    chart: Value | None = None
    table: Value | None = None
    text: str = ""


def report_page(title: str, about: str, parts: Sequence[Part]) -> str:
    """Return a report.

    Args:
        title: What it is about.
        about: One sentence below it: where the figures come from.
        parts: In order.
    """
    body = "\n".join(_part(part, place) for place, part in enumerate(parts))
    charts = [_chart(part.chart) for part in parts if _drawn(part)]
    return "\n".join(
        (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{html.escape(title)}</title>",
            f"<style>{_colours()}{read_asset('report.css')}</style></head><body><main>",
            f"<h1>{html.escape(title)}</h1><p>{html.escape(about)}</p>",
            body,
            "</main>",
            f'<script type="application/json" id="charts">{_inert(charts)}</script>',
            f"<script>{get_plotlyjs()}</script><script>{script(*SCRIPTS)}</script>",
            "</body></html>",
        )
    )


def _part(part: Part, place: int) -> str:
    lines = [f'<section aria-labelledby="part-{place}">']
    lines.append(f'<h2 id="part-{place}">{html.escape(part.heading)}</h2>{part.prose}')
    lines += [f"<p>{html.escape(words)}</p>" for words in part.words if words]
    if part.chart is not None:
        lines.append(_figure(part.chart, _drawn(part)))
    if part.table is not None:
        lines.append(_table(part.table))
    if part.text:
        lines.append(f'<pre tabindex="0">{html.escape(part.text)}</pre>')
    return "".join((*lines, "</section>"))


def _drawn(part: Part) -> bool:
    return part.chart is not None and "layout" in part.chart


def _figure(value: Value, drawn: bool) -> str:
    said = html.escape(value.get("sentence") or "")
    label = html.escape(value.get("label") or value.get("name") or "")
    box = f'<div class="chart" role="img" aria-label="{label}"></div>' if drawn else ""
    numbers = ""
    if value.get("table"):
        numbers = f"<details><summary>Numbers</summary>{_table(value['table'])}</details>"
    return f"<figure>{box}<figcaption>{said}</figcaption>{numbers}</figure>"


def _table(table: Value) -> str:
    def cells(row: Sequence[object], first: str, other: str) -> str:
        texts = (html.escape("" if cell is None else str(cell)) for cell in row)
        kinds = (first, *[other] * (len(row) - 1))
        ends = (kind.split()[0] for kind in kinds)
        return "".join(f"<{k}>{t}</{e}>" for k, t, e in zip(kinds, texts, ends, strict=True))

    head = cells(table["columns"], 'th scope="col"', 'th scope="col"')
    told = (cells(row, 'th scope="row"', "td") for row in table["rows"])
    rows = "".join(f"<tr>{row}</tr>" for row in told)
    return (
        f'<div class="wide" tabindex="0"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _chart(value: Value | None) -> Value:
    kept = ("data", "layout", "narrow", "patch", "restyle")
    return {key: value[key] for key in kept if key in value} if value else {}


def _inert(value: object) -> str:
    """Return JSON that ends no script element and begins none."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _colours() -> str:
    """Return the light colours, and the dark ones for screens of those who ask for them."""
    light, dark, *_ = (block.split("{", 1)[1] for block in read_asset("tokens.css").split("}")[:2])
    screen = "@media screen and (prefers-color-scheme: dark)"
    return f":root {{{light}}}\n{screen} {{ :root {{{dark}}} }}\n"
