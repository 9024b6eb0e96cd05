"""Scoring what a merge returns: one model, one per task, another width, or one that was chosen."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from merging import experiment
from merging.engine.output import PER_TASK_FILE, write_model
from merging.errors import RecipeError
from merging.evaluation import score, vision_model
from merging.evaluation.record import load_runs, save_runs
from merging.evaluation.tasks import every_nth
from merging.experiment import merge_and_evaluate, merge_recipe, tuning_scorer
from merging.methods.registry import METHODS, method
from merging.recipe import make_recipe
from merging.sets import missing, open_set, tasks


def test_each_task_is_scored_with_its_own_model(zoo: Path) -> None:
    recipe = make_recipe("emr", ["one", "two"], set="tiny")
    opened, outcome = merge_recipe(recipe, root=zoo, device="cpu")
    parts = outcome.per_task
    assert parts is not None
    record = merge_and_evaluate(recipe, root=zoo, device="cpu")
    assert record.per_task
    for expert, task in (("one", "first"), ("two", "second")):
        own = {
            name: opened.base.load(name)
            + parts.shared[name] * parts.masks[expert][name] * parts.factors[expert]
            for name in outcome.tensors
        }
        todo = [t for t in tasks("tiny", "reporting", zoo) if t.id == task]
        want = score(vision_model(opened.base.config(), own), todo)[task]
        assert (record.correct[task] == want).all()


def test_a_task_whose_expert_is_not_there_is_scored_with_the_merged_weights(zoo: Path) -> None:
    recipe = make_recipe("tall_masks", ["one"], set="tiny")
    _, outcome = merge_recipe(recipe, root=zoo, device="cpu")
    opened = open_set("tiny", zoo)
    model = vision_model(opened.base.config(), outcome.tensors)
    todo = [t for t in tasks("tiny", "reporting", zoo) if t.id == "second"]
    record = merge_and_evaluate(recipe, root=zoo, device="cpu")
    assert (record.correct["second"] == score(model, todo)["second"]).all()


def test_of_two_experts_of_one_task_the_first_counts(zoo: Path) -> None:
    card = zoo / "tiny" / "card.json"
    said = json.loads(card.read_text())
    said["experts"][1]["task"] = "first"
    card.write_text(json.dumps(said))
    recipe = make_recipe("emr", ["one", "two"], set="tiny")
    opened, outcome = merge_recipe(recipe, root=zoo, device="cpu")
    models = [
        vision_model(opened.base.config(), outcome.weights_of(e, opened.base))
        for e in ("one", "two")
    ]
    first = [t for t in tasks("tiny", "reporting", zoo) if t.id == "first"]
    one, two = (score(model, first)["first"] for model in models)
    found = merge_and_evaluate(recipe, root=zoo, device="cpu").correct["first"]
    assert (found == one).all() and (one != two).any()


def test_one_model_for_all_says_so(zoo: Path) -> None:
    assert not merge_and_evaluate(make_recipe("linear", ["one"], set="tiny"), root=zoo).per_task


def test_records_remember_that_tasks_had_their_own_models(zoo: Path, tmp_path: Path) -> None:
    runs = [
        merge_and_evaluate(make_recipe(name, ["one", "two"], set="tiny"), root=zoo)
        for name in ("emr", "linear")
    ]
    save_runs(runs, tmp_path / "runs.safetensors")
    assert [r.per_task for r in load_runs(tmp_path / "runs.safetensors")] == [True, False]


def test_shared_vector_masks_and_factors_are_written(zoo: Path, tmp_path: Path) -> None:
    opened, outcome = merge_recipe(
        make_recipe("emr", ["one", "two"], set="tiny"), root=zoo, device="cpu"
    )
    write_model(outcome, opened.base.config(), tmp_path / "out")
    stored = load_file(tmp_path / "out" / PER_TASK_FILE)
    parts = outcome.per_task
    assert parts is not None
    assert len(stored) == 3 * len(parts.shared)
    name = next(iter(parts.shared))
    assert torch.equal(stored[f"shared/{name}"], parts.shared[name])
    assert torch.equal(stored[f"mask/two/{name}"], parts.masks["two"][name])


def test_the_scorer_looks_at_every_sixth_tuning_image(zoo: Path) -> None:
    opened = open_set("tiny", zoo)
    weights = {n: opened.base.load(n) for n in opened.base.tensors()}
    found = score(vision_model(opened.base.config(), weights), tasks("tiny", "tuning", zoo))
    by_hand = sum(bits[::6].mean() for bits in found.values()) / 2
    assert tuning_scorer(opened)(weights) == pytest.approx(by_hand)
    some = dict(list(weights.items())[3:])
    assert tuning_scorer(opened)(some) == pytest.approx(by_hand)


def test_thinned_tasks_keep_images_and_labels_together(zoo: Path) -> None:
    task = tasks("tiny", "tuning", zoo)[0]
    few = every_nth(task, 7)
    assert few.labels.tolist() == task.labels[[0, 7, 14, 21, 28]].tolist()
    assert torch.equal(torch.cat(few.batches), torch.cat(task.batches)[[0, 7, 14, 21, 28]])


def test_greedy_soup_chooses_without_the_reporting_half(
    zoo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    halves: list[str] = []

    def told(name: str, half: str, root: Path | None = None):
        halves.append(half)
        return tasks(name, half, root)

    monkeypatch.setattr(experiment, "tasks", told)
    recipe = make_recipe("greedy_soup", ["one", "two"], set="tiny")
    opened, outcome = merge_recipe(recipe, root=zoo, device="cpu")
    assert halves == ["tuning"]
    scorer = tuning_scorer(opened)
    models = [{n: m.load(n) for n in m.tensors()} for m in opened.experts.values()]
    own = [scorer(m) for m in models]
    soup = {n: (models[0][n] + models[1][n]) / 2 for n in models[0]}
    best = max(range(2), key=lambda i: own[i])
    want = soup if scorer(soup) > own[best] else models[best]
    assert all(torch.allclose(outcome.tensors[n], want[n], atol=1e-6) for n in want)


def test_another_width_is_scored_with_its_own_config(zoo: Path) -> None:
    recipe = make_recipe("pleas", ["one", "two"], set="tiny", params={"ratio": 0.5})
    _, outcome = merge_recipe(recipe, root=zoo, device="cpu")
    assert outcome.config["intermediate_size"] == 24
    record = merge_and_evaluate(recipe, root=zoo, device="cpu")
    assert {len(bits) for bits in record.correct.values()} == {30}


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("fisher", {}, "Fisher averaging needs the Fisher diagonal"),
        ("regmean", {}, "RegMean needs the Gram matrices"),
        ("darex_q", {"rule": "inputs"}, "q from the inputs needs the mean inputs"),
    ],
)
def test_statistics_that_a_set_has_not_are_asked_for(
    zoo: Path, name: str, params: dict[str, str], message: str
) -> None:
    with pytest.raises(RecipeError, match=message):
        merge_and_evaluate(make_recipe(name, ["one", "two"], set="tiny", params=params), root=zoo)


def test_progress_while_a_soup_is_chosen_is_most_of_it(zoo: Path) -> None:
    seen: list[tuple[float, str]] = []
    recipe = make_recipe("greedy_soup", ["one", "two"], set="tiny")
    merge_and_evaluate(recipe, lambda *at: seen.append(at), zoo, device="cpu")
    shares = [share for share, _ in seen]
    assert shares == sorted(shares) and shares[-1] == 1
    assert (0.375, "try two in the soup") in seen or (0.375, "try one in the soup") in seen
    assert (0.75, "score first") in seen


def test_what_a_set_lacks(zoo: Path) -> None:
    opened = open_set("tiny", zoo)
    lacking = {spec.id for spec in METHODS if missing(spec, opened)}
    measured = {s.id for s in METHODS if s.needs.data in ("fisher", "gram", "inputs")}
    assert lacking == {*measured, "expert_averaging"}
    assert missing(method("fisher"), opened).startswith("no Fisher diagonals were measured")
