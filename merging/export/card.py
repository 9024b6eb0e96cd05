"""The model card of a merge: what was done, from what, and how to do it again. Nothing else."""

import re
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from merging.export.basket import Companions
from merging.export.extras import ScoreLine
from merging.export.licence import common_licence
from merging.export.markdown import fenced, plain
from merging.methods.params import Value
from merging.methods.spec import Source
from merging.recipe import Recipe, write_recipe
from merging.recipe.document import write_document

CARD_FILE = "README.md"
PROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"  # in a checkout
VERSIONED = ("torch", "transformers", "safetensors", "numpy")
MOST_LINES = 30  # of tensors named one by one
_PART = re.compile(r"[/\\]")


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What a card tells.

    Attributes:
        recipe: As it was merged, experts in computing order.
        actions: (tensor, action, reason) for every tensor of any model.
        config: The config that was written.
        companions: Files that went along.
        notes: What was changed in the config, in sentences.
        licences: By model as named in the recipe; "" where not known.
        scores: Measured on this model.
        relative_to: Folder that the recipe's paths count from, or "".
        device: Where it was computed.
    """

    recipe: Recipe
    actions: Sequence[tuple[str, str, str]]
    config: Mapping[str, Any]
    companions: Companions = field(default_factory=Companions)
    notes: tuple[str, ...] = ()
    licences: Mapping[str, str] = field(default_factory=dict)
    scores: tuple[ScoreLine, ...] = ()
    relative_to: str = ""
    device: str = ""


def model_names(recipe: Recipe) -> tuple[str, ...]:
    """Return the names of a recipe's models, the base first.

    Models of a bundled set are named with it; of an absolute path only the last part is told.
    """
    names = [f"{recipe.set}/base" if recipe.set else recipe.base]
    names += [f"{recipe.set}/{e.id}" if recipe.set else e.id for e in recipe.experts]
    return tuple(dict.fromkeys(_short(name) for name in names if name))


def card_text(facts: CardFacts) -> str:
    """Return a card as Markdown with front matter.

    Everything that comes from outside (names, reasons, licences) is escaped.
    """
    licence, about_licence = common_licence(facts.licences or {"the models": ""})
    recipe = facts.recipe
    parts = [
        f"---\n{write_document(_front(facts, licence))}---",
        "# Merged model",
        f"Made by Merge Explorer with {plain(recipe.spec.label)} from "
        f"{len(recipe.experts)} expert(s). It was not trained after that.",
        *_method(recipe),
        "## Models",
        _models(recipe),
        "## What was done",
        _done(facts),
        "## Scores",
        _scores(facts.scores),
        "## Licence",
        plain(_without_folders(about_licence, recipe), 2000),
        "## How to reproduce",
        *_again(facts),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _front(facts: CardFacts, licence: str) -> dict[str, Any]:
    front: dict[str, Any] = {
        "base_model": list(model_names(facts.recipe)),
        "base_model_relation": "merge",
    }
    library = _library(facts)
    if library:
        front["library_name"] = library
    front["license"] = licence
    front["tags"] = ["merge", "merge-explorer", facts.recipe.method]
    return front


def _library(facts: CardFacts) -> str:
    if "modules.json" in facts.companions.files:
        return "sentence-transformers"
    if "_diffusers_version" in facts.config or "_class_name" in facts.config:
        return "diffusers"
    return "transformers" if "model_type" in facts.config else ""


def _method(recipe: Recipe) -> tuple[str, ...]:
    spec = recipe.spec
    seed = f"- Seed: {recipe.seed}" if spec.random else "- Seed: none, nothing is drawn at random"
    settings = recipe.settings()
    params = [p.name for p in spec.active(settings)]
    common = "".join(f"\n- {n}: {plain(_value(settings.common[n]))}" for n in params)
    return (
        "## Method",
        f"{plain(spec.summary)} {_source(spec.source)}",
        f"- Method: {plain(spec.id)}\n- Dialect: {plain(recipe.dialect)}\n{seed}{common}",
    )


def _source(source: Source) -> str:
    if not source.arxiv:
        return f"Source: {plain(source.citation)}."
    link = f"[arXiv:{source.arxiv}](https://arxiv.org/abs/{source.arxiv})"
    return f"Source: {plain(source.citation)}, {link}."


def _models(recipe: Recipe) -> str:
    """A table of every model with its weight and its own parameters."""
    settings = recipe.settings()
    own = [n for n in settings.each if n != "weight"]
    own = [n for n in own if any(n in dict(e.params) for e in recipe.experts)]
    head = ["Model", "Role", "Weight", *own]
    rows = []
    base = f"{recipe.set}/base" if recipe.set else recipe.base
    if base:
        rows.append([plain(_short(base)), "base", "", *("" for _ in own)])
    for i, expert in enumerate(recipe.experts):
        name = f"{recipe.set}/{expert.id}" if recipe.set else expert.id
        values = [plain(_value(settings.each[n][i])) for n in own]
        rows.append([plain(_short(name)), "expert", plain(f"{expert.weight:g}"), *values])
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _done(facts: CardFacts) -> str:
    counts = Counter(action for _, action, _ in facts.actions)
    words = {"merge": "merged", "copy": "copied", "tie": "tied", "leave_out": "left out"}
    lines = [f"- {counts[a]} tensors {word}" for a, word in words.items() if counts[a]]
    others = [entry for entry in facts.actions if entry[1] != "merge"]
    for name, action, reason in others[:MOST_LINES]:
        lines.append(f"  - {plain(name)}: {words.get(action, action)}; {plain(reason)}")
    if len(others) > MOST_LINES:
        lines.append(f"  - and {len(others) - MOST_LINES} more, all in merge_report.json")
    came: dict[str, list[str]] = {}
    for name, source in facts.companions.sources.items():
        if name not in facts.companions.made:
            came.setdefault(source, []).append(name)
    for source, names in came.items():
        lines.append(
            f"- Byte for byte from {plain(_short(source))}: {plain(', '.join(names), 2000)}"
        )
    if facts.companions.made:
        lines.append(f"- Made for this merge: {plain(', '.join(sorted(facts.companions.made)))}")
    elif not came:
        lines.append("- No tokenizer, template or processor files: none were found.")
    for name, why in facts.companions.left.items():
        lines.append(f"- Not taken: {plain(name)}, because {plain(why)}")
    notes = (_without_folders(n, facts.recipe) for n in (*facts.companions.notes, *facts.notes))
    lines += [f"- {plain(note)}" for note in notes]
    return "\n".join(lines)


def _scores(scores: tuple[ScoreLine, ...]) -> str:
    if not scores:
        return "This model was not scored when it was made."
    lines = ["| Task | Metric | Score | Interval | Items |", "| --- | --- | --- | --- | --- |"]
    for s in scores:
        known = s.low is not None and s.high is not None
        span = f"{s.low:.4g} to {s.high:.4g}" if known else ""
        lines.append(
            f"| {plain(s.task)} | {plain(s.metric)} | {s.value:.4g} | {span} | {s.items or ''} |"
        )
    return "\n".join(lines)


def _again(facts: CardFacts) -> tuple[str, ...]:
    paths = ""
    if facts.relative_to and facts.recipe.set is None:
        paths = " The paths in it count from the folder that the recipe lay in."
    versions = ", ".join(f"{name} {version}" for name, version in _versions().items())
    where = f", computed on {plain(facts.device)}" if facts.device else ""
    return (
        f"Save this as recipe.yaml (it is in this folder too).{paths}",
        fenced(write_recipe(facts.recipe), "yaml"),
        fenced("python -m merging merge recipe.yaml --out DIR", "sh"),
        f"Recipe {facts.recipe.key()}. Made with {versions}{where}.",
    )


def _versions() -> dict[str, str]:
    found = {}
    with suppress(OSError, tomllib.TOMLDecodeError, KeyError):
        project = tomllib.loads(PROJECT.read_text("utf-8"))["project"]
        found["merge-explorer"] = str(project["version"])
    for name in ("merge-explorer", *VERSIONED):
        with suppress(metadata.PackageNotFoundError):
            found.setdefault(name, metadata.version(name))
    return found


def _value(value: Value) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _without_folders(text: str, recipe: Recipe) -> str:
    """A text with models named by ``_short``."""
    names = [e.id for e in recipe.experts] + ([recipe.base] if recipe.base else [])
    for name in sorted(names, key=len, reverse=True):
        text = text.replace(name, _short(name))
    return text


def _short(name: str) -> str:
    """A name without the folders of this machine."""
    if name.startswith(("/", "\\", "~")) or re.match(r"[A-Za-z]:", name):
        return _PART.split(name.rstrip("/\\"))[-1] or name
    return name
