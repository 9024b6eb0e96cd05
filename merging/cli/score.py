"""``score FOLDER... [--data FILE]``: models on own data, or the first against the others."""

from pathlib import Path
from typing import Any

from merging.checkpoints import open_folder
from merging.cli.options import Answer, Options
from merging.cli.progress import ProgressPrinter
from merging.errors import EvaluationError, SourceError
from merging.evaluation import Estimate
from merging.evaluation.own_data import MOST_BYTES, OwnData, read_own_data
from merging.evaluation.own_round import (
    Candidate,
    Changed,
    Scored,
    changes_from,
    check_memory,
    score_all,
)
from merging.preflight.resources import free_memory

FEWEST = 2


def answer(options: Options, progress: ProgressPrinter) -> Answer:
    """Score the models of folders, or say how far the first one's outputs are from the others'.

    Raises:
        EvaluationError: The data is refused, no model can be scored, or there is neither data nor a
            second model.
        SourceError: A folder or the file cannot be read.
        ResourceError: The largest model does not fit into memory.
    """
    candidates = [
        Candidate(str(folder), "expert", open_folder(folder, str(folder)))
        for folder in options.folders
    ]
    data = None if options.data is None else _read(options.data)
    if data is None and len(candidates) < FEWEST:
        raise EvaluationError(
            "Give --data FILE to score the model, or a second folder to compare its outputs with."
        )
    check_memory(candidates, free_memory())
    if data is None:
        changed = changes_from(candidates[0], candidates[1:], progress)
        return Answer(_changes_text(candidates[0].name, changed), {"compared": changed})
    found = score_all(candidates, data, progress)
    return Answer(
        _text(data, found), {"kind": data.kind, "notes": data.notes, "scores": _told(found)}
    )


def _read(path: Path) -> OwnData:
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)  # a device would have no end
    except OSError as error:
        raise SourceError(f"Cannot read the data {str(path)!r:.80}: {error.strerror}.") from error
    if len(raw) > MOST_BYTES:
        raise EvaluationError(f"{str(path)!r:.80} has more than 5 MB; at most 5 MB are read.")
    return read_own_data(raw, path.name)


def _told(found: tuple[Scored, ...]) -> list[dict[str, Any]]:
    told = []
    for one in found:
        entry: dict[str, Any] = {"folder": one.name, "problem": one.problem or None}
        if one.score is not None:
            score = one.score
            entry |= {"rows": max(len(score.correct), len(score.nats)), "notes": score.notes}
            entry |= {"way": score.way or None}
            entry["accuracy"] = score.accuracy() if len(score.correct) else None
            entry["perplexity"] = score.perplexity() if len(score.nats) else None
        told.append(entry)
    return told


def _text(data: OwnData, found: tuple[Scored, ...]) -> str:
    lines = [*data.notes]
    for one in found:
        score = one.score
        if score is None:
            lines.append(f"{one.name}: not scored. {one.problem}")
            continue
        said = []
        if len(score.correct):
            said.append(f"{_share(score.accuracy())} right of {len(score.correct)} rows")
        if len(score.nats):
            perplexity = score.perplexity()
            said.append(
                f"perplexity {perplexity.value:.4g} ({perplexity.low:.4g} to {perplexity.high:.4g})"
            )
        means = "; by nearest class mean" if score.way == "means" else ""
        lines.append(f"{one.name}: {', '.join(said)}{means}")
    scored = [one.score for one in found if one.score is not None]
    lines += [note for score in scored[:1] for note in score.notes]
    return "\n".join(lines)


def _share(estimate: Estimate) -> str:
    value, low, high = (100 * number for number in (estimate.value, estimate.low, estimate.high))
    return f"{value:.1f} % ({low:.1f} to {high:.1f})"


def _changes_text(name: str, found: tuple[Changed, ...]) -> str:
    lines = [f"Outputs of {name} on neutral inputs, against"]
    for one in found:
        if one.change is None:
            lines.append(f"  {one.name}: not compared. {one.problem}")
            continue
        alike = one.change.alike
        nats = one.change.divergence
        last = f"  {one.name}: similarity (CKA) {alike[-1]:.4f} in the last layer, "
        last += f"{min(alike):.4f} where it is least"
        lines.append(last + ("" if nats is None else f"; divergence {nats:.4g} nats"))
    return "\n".join(lines)
