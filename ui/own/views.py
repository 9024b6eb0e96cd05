"""What the page of own models shows, as values of its components. Pure."""

import html
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from merging.jobs import Snapshot
from merging.methods import registry
from merging.methods.params import WEIGHT
from merging.methods.registry import method
from merging.preflight import Finding, Findings
from merging.recipe.mergekit import Note
from merging.recipe.tokens import MOST_PADDING, TEMPLATES
from merging.units import size_text
from ui.own.outputs import Output
from ui.own.settings import MOST, MOST_RANK, NEEDS, OWN, OwnSettings, dtypes
from ui.own.shelf import Shelf
from ui.own.work import WRITTEN
from ui.views.job import job_view
from ui.views.models import JobView

MOST_ALIKE = 3  # findings with one code that are shown, where there are more than one further
MOST_SHOWN = 100
EARLY = 0.05
MARKS = {"blocks": ("\u2716", "Blocks"), "warns": ("\u25b2", "Warns"), "tells": ("\u25cf", "Tells")}
KINDS = {
    "unknown": "Unknown key",
    "ignored": "Without effect",
    "differs": "Differs",
    "law": "Same law only",
}
_COLUMNS = ("Severity", "What was found", "Tensor", "Values", "What to do")


def missing() -> dict[str, str]:
    """Return why methods cannot run on this page, by id."""
    return {s.id: NEEDS[s.needs.data] for s in registry.METHODS if s.needs.data}


def shelf_words(shelf: Shelf) -> str:
    """Return what can be chosen, in one sentence, as HTML."""
    if shelf.library is None:
        return f"<p>{html.escape(shelf.problem)}</p>"
    kinds = list(shelf.kinds.values())
    counts = [_counted(kinds.count(k), k) for k in ("model", "adapter", "delta")]
    more = " There is more than is listed." if shelf.library.cut else ""
    return f"<p>In the server's folder of models: {', '.join(counts)}.{more}</p>"


def models_value(settings: OwnSettings) -> dict[str, Any]:
    """Return what the form of models draws."""
    by_layer = {one.expert for one in settings.fitting if one.param == WEIGHT.name}
    return {
        "entries": [[name, kind] for name, kind in settings.kinds.items()],
        "most": MOST,
        "weighted": method(settings.values.method).weighted,
        "slider": [*WEIGHT.slider, WEIGHT.step],
        "base": settings.base,
        "rows": [
            {
                "name": r.name,
                "over": r.over,
                "on": r.on,
                "weight": r.weight,
                "local": id in by_layer,
            }
            for id, r in zip(settings.ids, settings.rows, strict=True)
        ],
    }


def fields_value(settings: OwnSettings) -> dict[str, Any]:
    """Return what the form of options draws."""
    spec = method(settings.values.method)
    keep = "as in the base" if settings.base else "as in the first expert"
    types = [[t, t or keep] for t in dtypes()]
    base = [["base", f"the base's, {settings.base}"]] if settings.base else []
    rows = [
        ["", "leave rows where they stand"],
        ["union", "all tokens of all models"],
        *base,
        *[[id, f"that of {name}"] for id, name in settings.named.items()],
        ["position", "row by row, whatever tokens they are of"],
    ]
    fields = [
        _select("dtype", "Type of the weights", types, "What is written; merging computes in "
                "float32 at least."),
        _select("tokenizer", "Vocabulary", rows, "Where vocabularies differ, rows of embeddings "
                "go by token."),
        *_tokens(settings),
        _select("output", "Write", [["model", "a model"], ["adapter", "an adapter"]],
                "Adapters alone can become one adapter, without the base's weights."),
    ]  # fmt: skip
    if settings.output == "adapter":
        fields.append(_number("rank", "Rank", 0, MOST_RANK, "0: the largest of the inputs."))
    if spec.random:
        fields.append(_number("seed", "Seed", 0, None, "Same seed, same random draw."))
    names = ("dtype", "tokenizer", "pad", "output", "rank")
    values = {name: getattr(settings, name) for name in names} | {"seed": settings.values.seed}
    values["template"] = settings.template_word
    return {"fields": fields, "values": values}


def _tokens(settings: OwnSettings) -> Iterator[dict[str, Any]]:
    """What else can be said of a vocabulary."""
    if settings.padded:
        yield _number(
            "pad",
            "Rows padded to a multiple of",
            1,
            MOST_PADDING,
            "1: as many as there are tokens.",
        )
    own = [[OWN, "the opened recipe's own"]] if settings.template_word == OWN else []
    named = [["auto", "what most of the models have"], *([t, t] for t in TEMPLATES if t != "auto")]
    choices = [["", "that of the vocabulary's model"], *own, *named]
    yield _select("template", "Chat template", choices, "How the tokenizer writes conversations.")


def _select(name: str, label: str, choices: list[list[str]], help: str) -> dict[str, Any]:
    return {"name": name, "label": label, "kind": "select", "choices": choices, "help": help}


def _number(name: str, label: str, low: int, high: int | None, help: str) -> dict[str, Any]:
    return {"name": name, "label": label, "kind": "number", "low": low, "high": high, "help": help}


def counted(found: Findings) -> str:
    """Return how many findings there are of each severity."""
    counts = {s: sum(f.severity == s for f in found.entries) for s in MARKS}
    words = (("blocks", "block"), ("warns", "warning"), ("tells", "note"))
    return ", ".join(_counted(counts[severity], word) for severity, word in words)


def findings_html(found: Findings) -> str:
    """Return findings as a table, the worst first; many of one kind are counted."""
    alike: dict[tuple[str, str], list[Finding]] = {}
    for finding in found.entries:
        alike.setdefault((finding.severity, finding.code), []).append(finding)
    rows = "".join("".join(_alike(group)) for group in list(alike.values())[:MOST_SHOWN])
    head = "".join(f'<th scope="col">{word}</th>' for word in _COLUMNS)
    return (
        f"<p>{counted(found)}.</p><table><caption>What the check found</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    )


def _alike(group: list[Finding]) -> Iterator[str]:
    """Rows of findings of one kind, one after the other."""
    left = len(group) - MOST_ALIKE
    yield from (_finding(f) for f in (group[:MOST_ALIKE] if left > 1 else group))
    if left > 1:
        mark, word = MARKS[group[0].severity]
        names = ", ".join(_code(f.tensor) for f in group[-2:] if f.tensor)
        last = f", the last of them {names}" if names else ""
        yield (
            f'<tr class="is-{group[0].severity}"><th scope="row"><span aria-hidden="true">{mark}'
            f'</span> {word}</th><td colspan="4">and {left} more like these{last}</td></tr>'
        )


def _finding(finding: Finding) -> str:
    e = html.escape
    mark, word = MARKS[finding.severity]
    tensor = _code(finding.tensor) if finding.tensor else ""
    if len(finding.values) == len(finding.models):
        pairs = [(m, v) for m, v in zip(finding.models, finding.values, strict=True) if v]
        values = "<br>".join(f"{e(model)}: {e(value)}" for model, value in pairs)
    else:
        values = e(", ".join(finding.values))
    cells = ((e(finding.message), 1), (tensor, 2), (values, 3), (e(finding.remedy), 4))
    return (
        f'<tr class="is-{finding.severity}"><th scope="row"><span aria-hidden="true">{mark}</span> '
        f"{word}</th>{''.join(f'<td data-head={_COLUMNS[i]!r}>{c}</td>' for c, i in cells)}</tr>"
    )


def _code(tensor: str) -> str:
    """A tensor's name, which may be broken after its dots."""
    return f"<code>{html.escape(tensor).replace('.', '.<wbr>')}</code>"


def go_words(found: Findings | None) -> str:
    """Return what the button says: how many findings block it."""
    count = sum(f.severity == "blocks" for f in found.entries) if found else 0
    if not count:
        return "Merge"
    return f"Merge ({count} {'finding blocks' if count == 1 else 'findings block'} it)"


def why_html(text: str, state: str = "") -> str:
    """Return the line under the button; ``state`` is blocked, wrong or ""."""
    return f'<p class="me-why" data-state="{state}">{html.escape(text)}</p>' if text else ""


def ready_html(found: Findings | None, fetchable: bool) -> str:
    """Return the line under a button that nothing blocks: where to read on."""
    fetch = '<a href="#section-own-merged">What was merged</a>' if fetchable else ""
    read = f'<a href="#section-own-findings">{counted(found)}</a>' if found else ""
    links = " \u00b7 ".join(link for link in (fetch, read) if link)
    return f'<p class="me-why">{links}</p>' if links else ""


def job_value(snapshot: Snapshot | None) -> JobView:
    """Return what the job line says of a merge; what comes after writing takes its own time."""
    return job_view(snapshot, "Merged", (EARLY, WRITTEN - EARLY))


def output_html(output: Output | None, address: str, now: str = "") -> str:
    """Return what was merged last, with the link that fetches it.

    Args:
        output: Of this visitor, or None.
        address: Of its archive.
        now: Key of the recipe in the controls, or "".
    """
    if output is None:
        return "<p>Nothing has been merged yet, or an hour has passed since.</p>"
    e = html.escape
    size = size_text(output.archive.stat().st_size) if output.archive.exists() else "gone"
    names = ", ".join(expert.id for expert in output.recipe.experts)
    told = "".join(f"<li>{e(line)}</li>" for line in output.told)
    other = "" if now == output.recipe.key() else ". The settings are other ones now."
    return (
        f"<p>{e(output.recipe.spec.label)} of {e(names)}{other}</p><ul>{told}</ul>"
        f'<p><a class="me-fetch" href="{e(address)}" download>Download {e(output.name)}.zip '
        f"({e(size)})</a></p><p>It is kept for an hour. The zip holds the folder that "
        "<code>from_pretrained</code> loads, its recipe and a report of what was done to every "
        "tensor.</p>"
    )


def notes_html(format: str, notes: Iterable[Note]) -> str:
    """Return what the import of a recipe had to say; "" where none was opened."""
    if not format:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{KINDS[n.kind]}</th><td>{html.escape(n.where)}</td>'
        f"<td>{html.escape(n.text)}</td></tr>"
        for n in notes
    )
    whose = "a recipe of ours" if format == "ours" else "a recipe of mergekit"
    if not rows:
        return f"<p>Opened {whose}. Everything in it is in the controls.</p>"
    head = "".join(f'<th scope="col">{w}</th>' for w in ("Kind", "Where", "What to know"))
    return (
        f"<p>Opened {whose}.</p><table><caption>What the import has to say</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    )


def names_of(settings: OwnSettings) -> Mapping[str, str]:
    """Return a word for every expert that is on, by id: its name without its folders.

    Two that end alike keep their whole names.
    """
    short = {id: name.rsplit("/", 1)[-1] for id, name in settings.named.items()}
    ends = list(short.values())
    return {id: w if ends.count(w) == 1 else settings.named[id] for id, w in short.items()}


def _counted(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"
