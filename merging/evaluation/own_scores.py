"""Scores of a model on own data: labels, answers, or perplexity, each with its noise."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from merging.errors import EvaluationError
from merging.evaluation.intervals import DRAWS, Bits, Estimate, wilson
from merging.evaluation.own_data import Half, Kind, OwnData, Row
from merging.evaluation.own_models import OpenedModel
from merging.evaluation.scoring import Progress

MOST_ITEMS = 400
LONGEST = 512  # tokens of an item
SEED = 0
CAUSAL = ("ForCausalLM", "GPT2LMHeadModel")  # others see the token that they are to predict
Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class OwnScore:
    """What a model makes of the rows of a half.

    Attributes:
        kind: Of the data.
        correct: Which rows it gets right, shape (rows,): the label, or every token of the answer
            as the likeliest one; empty for plain text.
        nats: Negative log likelihood of each row's text or answer, shape (rows,); empty for labels.
        tokens: How many tokens that is over, shape (rows,).
        way: How labels were told: by the model's ``head`` or by the nearest ``means`` of classes.
        notes: What was cut, in sentences.
    """

    kind: Kind
    correct: Bits = field(default_factory=lambda: np.zeros(0, bool))
    nats: Numbers = field(default_factory=lambda: np.zeros(0))
    tokens: Numbers = field(default_factory=lambda: np.zeros(0))
    way: str = ""
    notes: tuple[str, ...] = ()

    def accuracy(self) -> Estimate:
        """Return the share of right rows, in [0, 1], with its 95 % Wilson interval.

        Raises:
            EvaluationError: There is nothing right or wrong about plain text.
        """
        if not len(self.correct):
            raise EvaluationError("Plain text has no right and wrong. Look at its perplexity.")
        return wilson(int(self.correct.sum()), len(self.correct))

    def perplexity(self) -> Estimate:
        """Return exp of the mean nats a token, with a 95 % bootstrap interval over rows.

        Raises:
            EvaluationError: Labels have no perplexity.
        """
        value, draws = _perplexities(self, _drawn(len(self.nats)))
        low, high = np.quantile(draws, (0.025, 0.975))
        return Estimate(value, float(low), float(high))


def perplexity_gap(first: OwnScore, other: OwnScore) -> Estimate:
    """Return the perplexity of one model minus that of another, paired by row, 95 % bootstrap.

    Raises:
        EvaluationError: They are of different rows, or of labels.
    """
    if len(first.nats) != len(other.nats):
        raise EvaluationError("The two models were scored on different rows.")
    drawn = _drawn(len(first.nats))
    (a, draws_a), (b, draws_b) = _perplexities(first, drawn), _perplexities(other, drawn)
    low, high = np.quantile(draws_a - draws_b, (0.025, 0.975))
    return Estimate(a - b, float(low), float(high))


def accuracy_gap(first: OwnScore, other: OwnScore) -> Estimate:
    """Return the share that one model gets right minus that of another, paired by row.

    Returns:
        The gap in [-1, 1] with its 95 % bootstrap interval.

    Raises:
        EvaluationError: They are of different rows, or of plain text.
    """
    if len(first.correct) != len(other.correct):
        raise EvaluationError("The two models were scored on different rows.")
    first.accuracy()
    apart = first.correct.astype(np.float64) - other.correct.astype(np.float64)
    draws = apart[_drawn(len(apart))].mean(1)
    low, high = np.quantile(draws, (0.025, 0.975))
    return Estimate(float(apart.mean()), float(low), float(high))


def score_own(
    opened: OpenedModel,
    data: OwnData,
    progress: Progress = lambda fraction, message: None,
    half: Half = "reporting",
    most: int = MOST_ITEMS,
) -> OwnScore:
    """Score a model on a half of own data.

    Args:
        opened: The model, with its tokenizer.
        data: The checked file.
        progress: Called before each row with the share done; it may raise ``Cancelled``.
        half: Which rows; class means are always of the other half.
        most: Rows that are scored at most, the first ones.

    Raises:
        EvaluationError: There is no tokenizer or no row of that half, labels do not belong to the
            model's head, or the model cannot be asked.
    """
    if opened.tokenizer is None:
        raise EvaluationError(f"{opened.name} has no tokenizer.json, so it cannot read texts.")
    rows = data.of(half)[:most]
    if not rows:
        raise EvaluationError(f"The data has no row for the {half} half. Give more rows.")
    left = len(data.of(half)) - len(rows)
    notes = (f"{left} of {left + len(rows)} rows were not scored, to save time.",) if left else ()
    if data.kind == "labels":
        return _labels(opened, data, rows, progress, half, notes)
    return _likelihoods(opened, data.kind, rows, progress, notes)


def _labels(
    opened: OpenedModel,
    data: OwnData,
    rows: Sequence[Row],
    progress: Progress,
    half: Half,
    notes: tuple[str, ...],
) -> OwnScore:
    places = _places_of(opened, data)
    if places is not None:
        found = [
            int(_asked(opened, _ids(opened, row.text), progress, i / len(rows)).logits[0].argmax())
            for i, row in enumerate(rows)
        ]
        right = [place == places[row.target] for place, row in zip(found, rows, strict=True)]
        return OwnScore("labels", np.array(right), way="head", notes=notes)
    other: Half = "tuning" if half == "reporting" else "reporting"
    seen = data.of(other)[: len(rows)]
    total = len(seen) + len(rows)
    vectors = [
        _embedding(opened, row.text, progress, i / total) for i, row in enumerate((*seen, *rows))
    ]
    labels, means = _means(vectors[: len(seen)], seen)
    nearest = (torch.stack(vectors[len(seen) :]) @ means.T).argmax(1).tolist()
    right = [labels[place] == row.target for place, row in zip(nearest, rows, strict=True)]
    return OwnScore("labels", np.array(right), way="means", notes=notes)


def _places_of(opened: OpenedModel, data: OwnData) -> dict[str, int] | None:
    """Which class of the head each label is; None where the model has no head of classes."""
    if "Classification" not in type(opened.model).__name__:
        return None
    names = getattr(opened.settings, "id2label", None) or {}
    known = {str(name).casefold(): int(i) for i, name in names.items()}
    known |= {str(i): int(i) for i in names}
    lost = [label for label in data.labels if label.casefold() not in known]
    if lost:
        shown = ", ".join(str(name) for name in list(names.values())[:8])
        raise EvaluationError(
            f"The label {lost[0]!r:.60} is none of {opened.name}, whose head tells {shown}. Call "
            "labels as the model does, or by their numbers from 0."
        )
    return {label: known[label.casefold()] for label in data.labels}


def _means(vectors: Sequence[Tensor], rows: Sequence[Row]) -> tuple[list[str], Tensor]:
    labels = sorted({row.target for row in rows})
    if len(labels) < 2:
        raise EvaluationError(
            "The half of the rows that class means are fitted on has fewer than two labels. Give "
            "more rows."
        )
    targets, every = np.array([row.target for row in rows]), torch.stack(list(vectors))
    means = torch.stack([every[torch.from_numpy(targets == label)].mean(0) for label in labels])
    return labels, torch.nn.functional.normalize(means, dim=1)


def _likelihoods(
    opened: OpenedModel,
    kind: Kind,
    rows: Sequence[Row],
    progress: Progress,
    notes: tuple[str, ...],
) -> OwnScore:
    if not type(opened.model).__name__.endswith(CAUSAL):
        raise EvaluationError(
            f"{opened.name} is a {type(opened.model).__name__}, which predicts no next token and "
            "has no perplexity. Give data with labels."
        )
    nats, tokens, right = [], [], []
    for i, row in enumerate(rows):
        ids = _ids(opened, row.text)
        begin = 1
        if kind == "answers":
            begin = len(ids)
            ids += opened.tokenizer.encode(f" {row.target}", add_special_tokens=False).ids
        if not 0 < begin < len(ids) <= LONGEST:
            raise EvaluationError(
                f"{row.text!r:.60} leaves no token to predict, or has more than {LONGEST} with its "
                "answer. Leave the row out."
            )
        logits = _asked(opened, ids, progress, i / len(rows)).logits[0].double()
        wanted = torch.tensor(ids[begin:])
        chances = logits[begin - 1 : -1].log_softmax(-1)
        nats.append(-float(chances.gather(1, wanted[:, None]).sum()))
        tokens.append(float(len(wanted)))
        right.append(bool((chances.argmax(1) == wanted).all()))
    correct = np.array(right) if kind == "answers" else np.zeros(0, bool)
    return OwnScore(kind, correct, np.array(nats), np.array(tokens), "", notes)


def _ids(opened: OpenedModel, text: str) -> list[int]:
    found: list[int] = opened.tokenizer.encode(text).ids[:LONGEST]
    return found


def _asked(
    opened: OpenedModel, ids: list[int], progress: Progress, done: float, **more: bool
) -> Any:
    progress(done, f"score {opened.name}")
    limit = getattr(opened.settings, "vocab_size", 0)
    if not ids or max(ids) >= limit:
        raise EvaluationError(
            f"{opened.name}: its tokenizer gives the tokens {ids[:4]}, its vocabulary has {limit}. "
            "They do not belong together, or the text is empty."
        )
    with torch.inference_mode():
        try:
            return opened.model(input_ids=torch.tensor([ids]), **more)
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            raise EvaluationError(f"{opened.name}: cannot be asked: {error}"[:300]) from error


def _embedding(opened: OpenedModel, text: str, progress: Progress, done: float) -> Tensor:
    found = _asked(opened, _ids(opened, text), progress, done, output_hidden_states=True)
    states = getattr(found, "hidden_states", None)
    if not states:
        raise EvaluationError(f"{opened.name} has neither a head for labels nor hidden states.")
    vector: Tensor = torch.nn.functional.normalize(states[-1][0].float().mean(0), dim=0)
    return vector


def _drawn(count: int) -> NDArray[np.int64]:
    if not count:
        raise EvaluationError("Labels have no perplexity. Look at the share of right rows.")
    return np.random.default_rng(SEED).integers(0, count, (DRAWS, count))


def _perplexities(score: OwnScore, drawn: NDArray[np.int64]) -> tuple[float, Numbers]:
    draws = score.nats[drawn].sum(1) / score.tokens[drawn].sum(1)
    return float(np.exp(score.nats.sum() / score.tokens.sum())), np.exp(draws)
