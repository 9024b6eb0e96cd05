"""Models in turn on own data or neutral inputs: each as by itself, one failing alone, cancel."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from reading_models import labelled, reading, texts
from tiny_models import tiny

from merging.checkpoints import MemoryCheckpoint, open_folder
from merging.errors import Cancelled, EvaluationError, ResourceError
from merging.evaluation.change import change, outputs
from merging.evaluation.own_data import read_own_data
from merging.evaluation.own_models import open_model
from merging.evaluation.own_round import (
    Candidate,
    changes_from,
    check_memory,
    memory_of,
    rows_for,
    score_all,
)
from merging.evaluation.own_scores import OwnScore, accuracy_gap, score_own


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("reading")
    found = {name: reading("llama", root / name, seed) for seed, name in enumerate(("base", "one"))}
    return found | {"bert": reading("bert", root / "bert")}


def candidates(folders: dict[str, Path], *names: str) -> list[Candidate]:
    roles = {"base": "base", "merged": "merged"}
    return [Candidate(n, roles.get(n, "expert"), open_folder(folders[n], n)) for n in names]


def test_each_model_is_scored_as_by_itself_and_one_that_cannot_says_why(folders) -> None:
    data = read_own_data(texts(30), "a.jsonl")
    base, bert, one = score_all(candidates(folders, "base", "bert", "one"), data)
    for found, name in ((base, "base"), (one, "one")):
        alone = score_own(open_model(open_folder(folders[name], name)), data)
        assert found.score is not None and np.array_equal(found.score.nats, alone.nats)
    assert not np.array_equal(base.score.nats, one.score.nats)
    assert bert.score is None and "predicts no next token" in bert.problem
    assert [one.role for one in (base, bert)] == ["base", "expert"]


def test_where_none_can_be_scored_it_is_said(folders) -> None:
    data = read_own_data(texts(10), "a.jsonl")
    with pytest.raises(EvaluationError, match="bert is a BertForSequenceClassification"):
        score_all(candidates(folders, "bert"), data)


def test_the_change_is_that_of_the_pair(folders) -> None:
    merged, *others = candidates(folders, "one", "base", "bert")
    base, bert = changes_from(merged, others)
    pair = [outputs(open_model(open_folder(folders[n], n))) for n in ("one", "base")]
    assert base.change == change(*pair) and base.change.divergence > 0
    assert bert.change is not None and bert.change.divergence is None
    with pytest.raises(EvaluationError, match="no neutral inputs"):
        changes_from(candidates({"ear": _ear(folders)}, "ear")[0], others)


def _ear(folders: dict[str, Path]) -> Path:
    folder = folders["base"].parent / "ear"
    if not folder.exists():
        tiny("whisper").save_pretrained(folder)
    return folder


def test_models_with_other_layers_are_told_apart_from_those_that_compare(folders) -> None:
    taller = reading("llama", folders["base"].parent / "taller", num_hidden_layers=3)
    found = {**folders, "taller": taller}
    merged, *others = candidates(found, "one", "taller", "base")
    tall, base = changes_from(merged, others)
    assert tall.change is None and "3 layers of hidden states" in tall.problem
    assert base.problem == ""
    with pytest.raises(EvaluationError, match="cannot be compared"):
        changes_from(merged, others[:1])


def test_memory_and_rows_follow_the_largest_model() -> None:
    half = {"w": torch.zeros(3, 5, dtype=torch.float16), "n": torch.zeros((), dtype=torch.int64)}
    small = Candidate("small", "base", MemoryCheckpoint("small", {"w": torch.zeros(2)}))
    large = Candidate("large", "expert", MemoryCheckpoint("large", half))
    assert memory_of([small, large]) == 15 * 6 + 12
    check_memory([small, large], 102)
    check_memory([small], None)
    with pytest.raises(ResourceError, match="about 102 B of memory; 101 B are free"):
        check_memory([large, small], 101)
    assert rows_for([small, large]) == 400
    assert rows_for([Candidate("x", "base", _Sized(10**9))]) == 40
    assert rows_for([Candidate("x", "base", _Sized(10**11))]) == 20


@dataclass
class _Sized:
    count: int

    def tensors(self):
        return {"w": _Info((self.count // 1000, 1000))}


@dataclass
class _Info:
    shape: tuple[int, ...]


def test_progress_goes_over_all_models_and_cancel_goes_through(folders) -> None:
    data, told = read_own_data(labelled(16, "LABEL_0", "label_2"), "a.jsonl"), []
    score_all(candidates(folders, "bert", "bert"), data, lambda f, m: told.append((f, m)))
    shares = [share for share, _ in told]
    assert shares == sorted(shares) and shares[0] == 0 and 0.5 in shares and shares[-1] < 1
    assert told[0][1] == "open bert"

    def stop(fraction: float, message: str) -> None:
        if fraction > 0.5:
            raise Cancelled("Cancelled.")

    with pytest.raises(Cancelled):
        score_all(candidates(folders, "bert", "bert"), data, stop)


def test_a_gap_of_shares_is_paired_by_row() -> None:
    right = np.array([True] * 30 + [False] * 10)
    first, other = OwnScore("labels", right), OwnScore("labels", np.roll(right, 5))
    gap = accuracy_gap(first, other)
    assert gap.value == 0 and gap.low < 0 < gap.high
    assert accuracy_gap(first, first) == (0, 0, 0) or accuracy_gap(first, first).high == 0
    better = accuracy_gap(OwnScore("labels", np.ones(40, bool)), first)
    assert better.value == 0.25 and 0.1 < better.low < 0.25 < better.high < 0.42
    with pytest.raises(EvaluationError, match="different rows"):
        accuracy_gap(first, OwnScore("labels", right[:5]))
    with pytest.raises(EvaluationError, match="no right and wrong"):
        accuracy_gap(OwnScore("text"), OwnScore("text"))
