"""Run records to the dot plot and its verdict. Pure."""

from collections.abc import Mapping, Sequence

from merging.evaluation import Bits, Estimate, compare, normalised, wilson
from merging.evaluation.record import RunRecord
from merging.sets import References
from ui.views.models import ScoreRow, ScoresView
from ui.views.sentences import verdict
from ui.views.tasks import in_order


def scores_view(
    record: RunRecord,
    pinned: RunRecord | None,
    references: References,
    names: Mapping[str, str],
    letters: Mapping[str, tuple[str, str]],
    tasks_of: Mapping[str, str],
    pinned_name: str = "",
    units: str = "share",
) -> ScoresView:
    """Arrange scores per task, worst first, with base, own expert and the pinned run.

    Args:
        record: The run to show.
        pinned: The run to compare with; None or the same run draws no ghost.
        references: Answers of base and own experts.
        names: Words for task ids.
        letters: Letter and shape by expert id.
        tasks_of: Task by expert id.
        pinned_name: Name of the pinned run.
        units: "share" of the own expert, or plain "accuracy".
    """
    ghost = pinned if pinned is not None and pinned.key != record.key else None
    letter_of = {task: letters[expert][0] for expert, task in reversed(tasks_of.items())}
    held_in = {tasks_of[expert.id] for expert in record.recipe.experts}
    merged, mean = normalised(record.correct, references.own)
    base, base_mean = normalised(references.base, references.own)
    ghosts, ghost_mean = normalised(ghost.correct, references.own) if ghost else ({}, None)

    def row(task: str) -> ScoreRow:
        return ScoreRow(
            task, names[task], letter_of.get(task, ""), task in held_in,
            _accuracy(references.own[task]), base[task], merged[task], ghosts.get(task),
            _accuracy(record.correct[task]), _accuracy(references.base[task]),
            _accuracy(ghost.correct[task]) if ghost else None,
        )  # fmt: skip

    rows = tuple(sorted(map(row, merged), key=lambda r: r.merged.value))
    own, raw, base_raw = (_mean(rows, field) for field in ("own", "raw", "base_raw"))
    return ScoresView(
        rows,
        ScoreRow(
            "mean", "Mean", "", True, own, base_mean, mean, ghost_mean, raw, base_raw,
            _mean(rows, "pinned_raw") if ghost else None,
        ),
        _sentence(record, ghost, references, (base_mean, mean), pinned_name, rows),
        pinned_name=pinned_name if ghost else "", units=units,
        order=in_order(names, [row.task for row in rows]),
    )  # fmt: skip


def _sentence(
    record: RunRecord,
    ghost: RunRecord | None,
    references: References,
    means: tuple[Estimate, Estimate],
    pinned_name: str,
    rows: Sequence[ScoreRow],
) -> str:
    """Say what the means of base and merge come to, with the paired gaps."""
    base, mean = means
    return verdict(
        record.recipe,
        mean,
        base,
        compare(record.correct, references.base, references.own).mean[1],
        compare(record.correct, ghost.correct, references.own).mean[1] if ghost else None,
        pinned_name,
        record.per_task,
        common_note(record),
        all(row.held_in for row in rows),
    )


def common_note(record: RunRecord) -> str:
    """Return what a method on whole models told of all tensors alike, or ""."""
    if record.recipe.spec.whole is None:
        return ""
    reasons = {entry.reason for entry in record.report if entry.action == "merge"}
    reason = reasons.pop() if len(reasons) == 1 else ""
    return "" if reason.startswith("over ") else reason


def worst_task(view: ScoresView) -> str:
    """Return the task that lost most, in words."""
    row = view.rows[0]
    return f"{row.label} {100 * row.merged.value:.0f} %" if row.merged else ""


def _accuracy(bits: Bits) -> Estimate:
    return wilson(int(bits.sum()), len(bits))


def _mean(rows: Sequence[ScoreRow], field: str) -> Estimate:
    parts = [getattr(row, field) for row in rows]
    value, low, high = (
        sum(getattr(part, end) for part in parts) / len(parts) for end in ("value", "low", "high")
    )
    return Estimate(value, low, high)
