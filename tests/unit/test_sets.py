"""A small set in a folder of its own: opening, merging, scoring, records."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from merging import cli
from merging.errors import MergeError, SourceError, UnknownNameError
from merging.evaluation.record import RunRecord, load_runs, save_runs
from merging.experiment import merge_and_evaluate, merge_recipe
from merging.recipe import Recipe, make_recipe
from merging.sets import open_set, references, set_names

SUM = make_recipe("task_arithmetic", ["one", "two"], set="tiny", params={"scale": 0.5})


def test_a_set_is_opened_by_its_card(zoo: Path) -> None:
    opened = open_set("tiny", zoo)
    assert tuple(opened.experts) == ("one", "two")
    assert opened.task_of("two") == "second"
    assert opened.folder == zoo / "tiny"
    assert set_names(zoo) == ("tiny",)


def test_sets_stand_in_the_order_of_their_cards(zoo: Path) -> None:
    shutil.copytree(zoo / "tiny", zoo / "aaa")
    card = json.loads((zoo / "tiny" / "card.json").read_text())
    (zoo / "aaa" / "card.json").write_text(json.dumps(card | {"order": 2}))
    assert set_names(zoo) == ("tiny", "aaa")


def test_a_set_that_is_not_there(zoo: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"set 'tniy'\. Did you mean 'tiny'"):
        open_set("tniy", zoo)
    with pytest.raises(UnknownNameError, match=r"set '\.\./tiny'"):
        open_set("../tiny", zoo)


def test_a_card_of_another_version(zoo: Path) -> None:
    card = json.loads((zoo / "tiny" / "card.json").read_text())
    (zoo / "tiny" / "card.json").write_text(json.dumps(card | {"format": "x"}))
    with pytest.raises(SourceError, match="card of tiny is not of format"):
        open_set("tiny", zoo)


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (make_recipe("ties", ["tow"], set="tiny"), "expert in the set tiny 'tow'.*'two'"),
        (make_recipe("ties", ["one"], set="huge"), "set 'huge'"),
        (make_recipe("ties", ["one"]), "Unknown set ''"),
    ],
)
def test_recipes_that_belong_elsewhere(recipe: Recipe, message: str, zoo: Path) -> None:
    with pytest.raises(MergeError, match=message):
        merge_recipe(recipe, root=zoo)


def test_a_recipe_of_a_set_is_merged(zoo: Path) -> None:
    opened, outcome = merge_recipe(SUM, root=zoo, device="cpu")
    base, one, two = (
        load_file(zoo / p / "model.safetensors") for p in ("base", "tiny/one", "tiny/two")
    )
    name = next(n for n in base if n.endswith("weight"))
    want = base[name] + 0.5 * (one[name] + two[name] - 2 * base[name])
    assert opened.id == "tiny"
    assert torch.allclose(outcome.tensors[name], want, atol=1e-6)


def test_merge_and_evaluate_scores_both_tasks(zoo: Path) -> None:
    """With strength 1 on one expert the record equals scoring that expert itself."""
    alone = make_recipe("linear", ["one"], set="tiny")
    shares: list[float] = []
    record = merge_and_evaluate(alone, lambda done, word: shares.append(done), zoo, device="cpu")
    again = merge_and_evaluate(alone, root=zoo, device="cpu")
    other = merge_and_evaluate(alone, root=zoo, half="tuning", device="cpu")
    assert set(record.correct) == {"first", "second"}
    assert all(len(bits) == 30 for bits in record.correct.values())
    assert all((record.correct[t] == again.correct[t]).all() for t in record.correct)
    assert any((record.correct[t] != other.correct[t]).any() for t in record.correct)
    assert shares == sorted(shares)
    assert (shares[0], shares[-1], record.key) == (0, 1, alone.key())
    assert all(entry.action == "merge" for entry in record.report)


def test_the_command_line_merges_a_set(
    zoo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MERGE_EXPLORER_ZOO", str(zoo))
    (tmp_path / "mix.yaml").write_text(
        "format: merge-explorer/1\nset: tiny\nexperts: [one, two]\nmethod: task_arithmetic\n"
        "params: {scale: 0.5}\n"
    )
    out = tmp_path / "out"
    assert (
        cli.main(["merge", str(tmp_path / "mix.yaml"), "--out", str(out), "--device", "cpu"]) == 0
    )
    want = merge_recipe(SUM, root=zoo, device="cpu")[1].tensors
    found = load_file(out / "model.safetensors")
    assert all(torch.equal(found[n], want[n]) for n in want)


def test_references_are_read_by_who_and_task(zoo: Path) -> None:
    bits = torch.tensor([1, 0, 1], dtype=torch.uint8)
    save_file({"base/first": bits, "own/first": 1 - bits}, zoo / "tiny" / "references.safetensors")
    found = references("tiny", zoo)
    assert found.base["first"].tolist() == [True, False, True]
    assert found.own["first"].tolist() == [False, True, False]


def test_references_that_are_not_there(zoo: Path) -> None:
    with pytest.raises(SourceError, match=r"Cannot read references\.safetensors of tiny"):
        references("tiny", zoo)


# --- Records --------------------------------------------------------------------------------------


def record(recipe: Recipe, seed: int) -> RunRecord:
    source = np.random.default_rng(seed)
    correct = {t: source.random(20) < 0.5 for t in ("first", "second")}
    return RunRecord(recipe.key(), recipe, correct, (), 0.25, 1.5, "cpu")


def test_records_come_back_in_order(tmp_path: Path) -> None:
    """Eleven of them: run 1 must not read what belongs to run 10."""
    path = tmp_path / "runs.safetensors"
    runs = [record(SUM.patched(params={"scale": i / 10}), i) for i in range(11)]
    save_runs(runs, path)
    found = load_runs(path)
    assert [r.recipe for r in found] == [r.recipe for r in runs]
    assert [r.key for r in found] == [r.key for r in runs]
    assert (found[1].merge_seconds, found[1].score_seconds, found[1].device) == (0.25, 1.5, "cpu")
    for mine, theirs in zip(found, runs, strict=True):
        assert mine.correct.keys() == theirs.correct.keys()
        assert all((mine.correct[t] == theirs.correct[t]).all() for t in theirs.correct)
    assert [p.name for p in tmp_path.iterdir()] == ["runs.safetensors"]


def test_records_of_another_version(tmp_path: Path) -> None:
    path = tmp_path / "runs.safetensors"
    save_file({"x": torch.zeros(1)}, path, {"format": "merge-explorer-runs/9"})
    with pytest.raises(SourceError, match="does not hold runs of format merge-explorer-runs/1"):
        load_runs(path)


@pytest.mark.parametrize("content", [None, b"garbage"])
def test_records_that_cannot_be_read(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "runs.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SourceError, match=r"Cannot read the runs in runs\.safetensors"):
        load_runs(path)
