"""One recipe as a file of its own: verdicts, charts and numbers as the app shows them.

    scripts/report --recipe RECIPE.yaml --out DIR

merges and scores the recipe and writes DIR/report.html, which needs neither the app nor a network.
Sentences and figures come from the app's own view models and charts.
"""

import html
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from merging.evaluation.record import RunRecord
from merging.experiment import merge_and_evaluate
from merging.jobs import JobRunner
from merging.recipe import Recipe, parse_recipe, write_recipe
from ui import pictures
from ui.components.assets import read_asset
from ui.link import decode
from ui.presenter import Presenter
from ui.runbook import RunList
from ui.scene import Scene, starts
from ui.services import Services

Value = dict[str, Any]

WIDTH = 960
QUESTIONS = {
    "scores": "Did it keep the skills?",
    "heatmap": "Where do they disagree?",
    "magnitudes": "How big are the changes?",
    "relative": "Beside the weights that they change",
    "who_agrees": "Who agrees with whom?",
    "ranks": "How many directions they use",
    "overlap": "How many directions they share",
    "who_won": "Who won?",
    "dialects": "How do other tools read these settings?",
}
STYLE = """body { font: 15px/1.5 system-ui, sans-serif; max-width: 980px; margin: 2em auto;
padding: 0 1em; color: var(--me-ink); background: var(--me-panel); }
table { border-collapse: collapse; font-size: 13px; } th, td { padding: 2px 10px; text-align: left;
border-bottom: 1px solid var(--me-line); } pre { white-space: pre-wrap; }"""


def write_report(source: Path, out: Path) -> Path:
    """Merge and score the recipe of a file, and write its report.

    Raises:
        RecipeError: The file holds no recipe of a bundled set.
    """
    recipe = parse_recipe(source.read_text("utf-8"))
    services = Services(JobRunner())
    try:
        services.warm()
        services.check(recipe)
        page = report(scene_of(services, recipe, merge_and_evaluate(recipe)))
    finally:
        services.close()
    out.mkdir(parents=True, exist_ok=True)
    half = out / "report.html.part"
    half.write_text(page, "utf-8")
    return half.replace(out / "report.html")


def scene_of(services: Services, recipe: Recipe, record: RunRecord) -> Scene:
    """Return the moment at which a page shows a recipe with its scores."""
    state, _ = decode("", starts(services))
    experts = tuple(services.sets[recipe.set or ""].experts)
    state = replace(state.restore(recipe, experts).pin(None), scored=recipe.key())
    return Scene(services, state, recipe, RunList().with_run(record, ""))


def report(scene: Scene) -> str:
    """Return the page of a scene as HTML."""
    title = f"{scene.recipe.spec.label}, set {scene.opened.card['label']}"
    return "\n".join(
        (
            '<!doctype html><html lang="en"><meta charset="utf-8">',
            f"<title>{html.escape(title)}</title>",
            f"<style>{_light()}{STYLE}</style><script>{get_plotlyjs()}</script>",
            f"<h1>{html.escape(title)}</h1>",
            f"<pre>{html.escape(write_recipe(scene.recipe))}</pre>",
            *_sections(scene),
            "</html>",
        )
    )


def _sections(scene: Scene) -> Iterator[str]:
    presenter = Presenter(scene.services, starts(scene.services))
    said = {"scores": presenter.verdict(scene), "heatmap": presenter.effect(scene)}
    for name, question in QUESTIONS.items():
        value = presenter.scores(scene) if name == "scores" else getattr(pictures, name)(scene)
        if value is None:
            continue
        yield f"<h2>{question}</h2>{said.get(name, '')}"
        yield f"<p>{html.escape(value.get('sentence') or _said(value))}</p>"
        if "layout" in value:
            yield _figure(value).to_html(full_html=False, include_plotlyjs=False)
        if "table" in value:
            yield f"<details><summary>Numbers</summary>{_table(value['table'])}</details>"


def _said(heatmap: Value) -> str:
    """Return what the heatmap says of its parts."""
    parts = heatmap.get("sentences", {}).values()
    return " ".join(part["current"] for part in parts)


def _figure(value: Value) -> go.Figure:
    """Return a chart's value as a figure of plotly's, in the colours of the light theme."""
    layout = value["layout"] | value.get("patch", {}) | {"width": WIDTH}
    figure = go.Figure(_coloured({"data": value["data"], "layout": layout}))
    for moved in value.get("restyle", ()):
        figure.data[moved["trace"]].update(_coloured(moved["update"]))
    return figure


def _coloured(node: Any) -> Any:
    if isinstance(node, str):
        return re.sub(r"var\((--me-[\w-]+)\)", lambda found: TOKENS[found[1]], node)
    if isinstance(node, dict):
        return {key: _coloured(entry) for key, entry in node.items()}
    return [_coloured(entry) for entry in node] if isinstance(node, list | tuple) else node


def _light() -> str:
    return read_asset("tokens.css").split("}", 1)[0] + "}"


TOKENS = dict(re.findall(r"(--me-[\w-]+): ([^;]+);", _light()))


def _table(table: Value) -> str:
    rows = [("th", table["columns"]), *(("td", row) for row in table["rows"])]
    lines = ("".join(f"<{t}>{html.escape(str(c or ''))}</{t}>" for c in row) for t, row in rows)
    return f"<table><tr>{'</tr><tr>'.join(lines)}</tr></table>"
