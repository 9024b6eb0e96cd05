"""Own data's scores and changed outputs as rows, points and sentences. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from merging.errors import EvaluationError
from merging.evaluation import Estimate
from merging.evaluation.own_data import OwnData
from merging.evaluation.own_round import Changed, Scored
from merging.evaluation.own_scores import OwnScore, accuracy_gap, perplexity_gap

ROLES = {"base": "base", "expert": "expert", "merged": "merged"}
KINDS = {
    "labels": "texts with labels",
    "answers": "prompts with answers",
    "text": "plain texts",
}
NOISE = "within noise"


@dataclass(frozen=True, slots=True)
class OwnRow:
    """One model.

    Attributes:
        name, role: Of the model.
        values: Estimate of every measure, None where it has none.
        gap: The merge minus this model in the first measure, or None.
        verdict: better, worse, "within noise", or "" for the merge itself and what has no gap.
        problem: Why there are no numbers, or "".
    """

    name: str
    role: str
    values: tuple[Estimate | None, ...] = ()
    gap: Estimate | None = None
    verdict: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class OwnScoresView:
    """Scores of base, experts and merge.

    Attributes:
        measures: Words for the columns of numbers; the first one is drawn.
        percent: The first measure is a share; else lower is better.
        rows: In the given order.
        sentence: The verdict.
        notes: What was left out or is to be known, in sentences.
    """

    measures: tuple[str, ...]
    percent: bool
    rows: tuple[OwnRow, ...]
    sentence: str
    notes: tuple[str, ...]


def own_scores_view(data: OwnData, found: Sequence[Scored]) -> OwnScoresView:
    """Arrange scores; gaps are paired by row, with their own intervals.

    Args:
        data: What was scored on.
        found: Of every model; one of them may be the merge.
    """
    scores = [one.score for one in found if one.score is not None]
    merged = next((o.score for o in found if o.role == "merged" and o.score is not None), None)
    measures = _measures(data.kind)
    rows = tuple(_row(one, merged, [measure for _, measure in measures]) for one in found)
    count = max((max(len(s.correct), len(s.nats)) for s in scores), default=0)
    percent = data.kind != "text"
    return OwnScoresView(
        tuple(word for word, _ in measures),
        percent,
        rows,
        _verdict(rows, data, count, percent),
        (*data.notes, *_notes(scores)),
    )


@dataclass(frozen=True, slots=True)
class ChangeView:
    """How far a merge's outputs are from each model's.

    Attributes:
        lines: Name and similarity of every layer, embeddings first.
        rows: Texts: name, role, CKA of the last layer, least CKA and its layer, nats.
        sentence: The verdict.
        notes: Why a model could not be compared.
    """

    lines: tuple[tuple[str, tuple[float, ...]], ...]
    rows: tuple[tuple[str, ...], ...]
    sentence: str
    notes: tuple[str, ...]


CHANGE_COLUMNS = (
    "Model", "Role", "CKA, last layer", "CKA, least", "KL divergence, nats",
)  # fmt: skip


def change_view(found: Sequence[Changed]) -> ChangeView:
    """Arrange changes of outputs on the neutral inputs.

    Args:
        found: The merge against every other model.
    """
    known = [(one, one.change) for one in found if one.change is not None]
    rows = []
    for one, change in known:
        least = min(range(len(change.alike)), key=lambda i: change.alike[i])
        where = "embeddings" if least == 0 else f"layer {least - 1}"
        nats = "no head to compare" if change.divergence is None else _four(change.divergence)
        least_text = f"{change.alike[least]:.3f} ({where})"
        rows.append((one.name, ROLES[one.role], f"{change.alike[-1]:.3f}", least_text, nats))
    notes = tuple(f"{o.name} could not be compared: {o.problem}" for o in found if o.problem)
    lines = tuple((one.name, change.alike) for one, change in known)
    return ChangeView(lines, tuple(rows), _nearest(found), notes)


def _nearest(found: Sequence[Changed]) -> str:
    nats = {o.name: o.change.divergence for o in found if o.change is not None}
    told = {name: value for name, value in nats.items() if value is not None}
    if told:
        near, far = min(told, key=lambda n: told[n]), max(told, key=lambda n: told[n])
        said = f"On neutral inputs the merge answers most like {near} ({_four(told[near])} nats)"
        more = f", least like {far} ({_four(told[far])} nats)" if near != far else ""
        return f"{said}{more}. This says how far it moved, not whether it is good."
    alike = {o.name: o.change.alike[-1] for o in found if o.change is not None}
    if not alike:
        return "The merge could not be compared with any model."
    near = max(alike, key=lambda n: alike[n])
    return (
        f"On neutral inputs the merge's last layer is most like that of {near} (CKA "
        f"{alike[near]:.3f}). This says how far it moved, not whether it is good."
    )


Measure = Callable[[OwnScore], Estimate]


def _measures(kind: str) -> tuple[tuple[str, Measure], ...]:
    share = ("Right" if kind == "labels" else "Answers right", OwnScore.accuracy)
    perplexity = ("Perplexity" if kind == "text" else "Perplexity of answers", OwnScore.perplexity)
    chosen: dict[str, tuple[tuple[str, Measure], ...]] = {
        "labels": (share,), "answers": (share, perplexity), "text": (perplexity,),
    }  # fmt: skip
    return chosen[kind]


def _row(one: Scored, merged: OwnScore | None, measures: Sequence[Measure]) -> OwnRow:
    if one.score is None:
        return OwnRow(one.name, ROLES[one.role], (None,) * len(measures), problem=one.problem)
    values = tuple(measure(one.score) for measure in measures)
    if merged is None or one.score is merged:
        return OwnRow(one.name, ROLES[one.role], values)
    gap = _gap(merged, one.score)
    return OwnRow(one.name, ROLES[one.role], values, gap, _better(gap, merged.kind))


def _gap(merged: OwnScore, other: OwnScore) -> Estimate | None:
    try:
        share = merged.kind != "text"
        return accuracy_gap(merged, other) if share else perplexity_gap(merged, other)
    except EvaluationError:
        return None


def _better(gap: Estimate | None, kind: str) -> str:
    if gap is None:
        return ""
    if gap.low <= 0 <= gap.high:
        return NOISE
    return "better" if (gap.value > 0) == (kind != "text") else "worse"


def _verdict(rows: Sequence[OwnRow], data: OwnData, count: int, percent: bool) -> str:
    merged = next((r for r in rows if r.role == "merged" and r.values[:1] != (None,)), None)
    on = f"on {count} held-back {KINDS[data.kind]}"
    if merged is None or merged.values[0] is None:
        best = [row for row in rows if row.values and row.values[0] is not None]
        return f"{len(best)} of {len(rows)} models scored {on}; there is no merge among them."
    value = shown(merged.values[0], percent)
    parts = [
        f"{word} {_listed([r.name for r in rows if r.verdict == verdict])}"
        for verdict, word in (
            ("better", "better than"), ("worse", "worse than"), (NOISE, "not clearly apart from"),
        )
        if any(r.verdict == verdict for r in rows)
    ]  # fmt: skip
    word = "right" if percent else "perplexity"
    said = f"{value} {word}" if percent else f"{word} {value}"
    return f"The merge: {said} {on}{'; ' if parts else ''}{', '.join(parts)}."


def _notes(scores: Sequence[OwnScore]) -> tuple[str, ...]:
    found = [note for score in scores for note in score.notes]
    if any(score.way == "means" for score in scores):
        found.append(
            "Where a model has no head for labels, the nearest class mean of its embeddings tells, "
            "fitted on the other half of the rows."
        )
    return tuple(dict.fromkeys(found))


def shown(estimate: Estimate, percent: bool) -> str:
    """Return a number with its interval, in words."""
    if percent:
        value, low, high = (100 * n for n in (estimate.value, estimate.low, estimate.high))
        return f"{value:.1f} % ({low:.1f} to {high:.1f})"
    return f"{_four(estimate.value)} ({_four(estimate.low)} to {_four(estimate.high)})"


def gap_shown(estimate: Estimate, percent: bool) -> str:
    """Return a gap with its interval and signs; shares in percentage points."""
    scale, unit = (100, " pp") if percent else (1, "")
    value, low, high = (scale * n for n in (estimate.value, estimate.low, estimate.high))
    if percent:
        return f"{value:+.1f}{unit} ({low:+.1f} to {high:+.1f})"
    return f"{value:+.3g} ({low:+.3g} to {high:+.3g})"


def _four(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
