"""What scores a bundled set: the same answers as one merge and evaluation, and nothing twice."""

from pathlib import Path

import pytest
import torch
from tiny_measure import quiet

from merging.engine.cache import Intermediates
from merging.errors import EvaluationError, UnknownNameError
from merging.evaluation import score, vision_model
from merging.evaluation.kept import KeptModel
from merging.evaluation.tasks import spread
from merging.experiment import merge_and_evaluate
from merging.recipe import make_recipe
from merging.search.axis import parameter_axis
from merging.search.measure import SetMeasure
from merging.search.plan import SweepPlan
from merging.search.sweep import SweepResult, sweep
from merging.sets import open_set, references, tasks

pytestmark = pytest.mark.usefixtures("alone")


@pytest.mark.parametrize("half", ["tuning", "reporting"])
@pytest.mark.parametrize("name", ["ties", "task_arithmetic", "emr", "greedy_soup"])
def test_answers_are_those_of_a_merge_on_its_own(zoo: Path, name: str, half: str) -> None:
    measure = SetMeasure("tiny", zoo, cache=Intermediates(2**24), device="cpu")
    for scale in (0.3, 0.9):
        if name in ("emr", "greedy_soup") and scale > 0.5:
            return
        params = {} if name in ("emr", "greedy_soup") else {"scale": scale}
        recipe = make_recipe(name, ["one", "two"], set="tiny", params=params)
        want = merge_and_evaluate(recipe, root=zoo, half=half, device="cpu").correct
        found = measure.score(recipe, half, quiet)
        assert found.keys() == want.keys()
        assert all((found[t] == want[t]).all() for t in want)


def test_a_subset_is_of_the_tuning_half_only(zoo: Path) -> None:
    recipe = make_recipe("linear", ["one", "two"], set="tiny")
    few, whole = SetMeasure("tiny", zoo, items=7), SetMeasure("tiny", zoo)
    chosen = [i * 30 // 7 for i in range(7)]
    some, every = few.score(recipe, "tuning", quiet), whole.score(recipe, "tuning", quiet)
    assert all((some[t] == every[t][chosen]).all() for t in every)
    assert len(few.score(recipe, "reporting", quiet)["first"]) == 30
    assert few.mark("tuning") != whole.mark("tuning")
    assert few.mark("reporting") == whole.mark("reporting")


def test_own_experts_and_base_on_the_tuning_half(zoo: Path) -> None:
    measure, opened = SetMeasure("tiny", zoo), open_set("tiny", zoo)
    every = {t.id: t for t in tasks("tiny", "tuning", zoo)}
    own, base = measure.own("tuning", quiet), measure.base("tuning", quiet)
    for expert, task in (("one", "first"), ("two", "second")):
        folder = opened.experts[expert]
        weights = {n: folder.load(n) for n in folder.tensors()}
        want = score(vision_model(folder.config(), weights), [every[task]])
        assert (own[task] == want[task]).all()
    weights = {n: opened.base.load(n) for n in opened.base.tensors()}
    want = score(vision_model(opened.base.config(), weights), every.values())
    assert all((base[t] == want[t]).all() for t in want)


def test_own_experts_of_another_set_are_the_measure_where_a_card_says_so() -> None:
    found = SetMeasure("stranger", items=10).own("tuning", quiet)
    want = SetMeasure("gentle", items=10).own("tuning", quiet)
    assert all((found[t] == want[t]).all() for t in want) and len(found) == 5
    reporting = SetMeasure("stranger").own("reporting", quiet)
    stored = references("stranger").own
    assert all((reporting[t] == stored[t]).all() for t in stored)


def test_only_some_tasks_are_scored(zoo: Path) -> None:
    recipe = make_recipe("linear", ["one", "two"], set="tiny")
    some, whole = SetMeasure("tiny", zoo, only=frozenset({"second"})), SetMeasure("tiny", zoo)
    found, want = (m.score(recipe, "tuning", quiet) for m in (some, whole))
    assert list(found) == ["second"] and (found["second"] == want["second"]).all()
    own, base = some.own("tuning", quiet), some.base("tuning", quiet)
    assert list(own) == list(base) == ["second"]
    assert (own["second"] == whole.own("tuning", quiet)["second"]).all()
    assert some.mark("tuning") != whole.mark("tuning")
    stored = SetMeasure("gentle", only=frozenset({"digits"}))
    assert list(stored.own("reporting", quiet)) == ["digits"]
    assert list(stored.base("reporting", quiet)) == ["digits"]


def test_a_recipe_of_another_set_is_refused(zoo: Path) -> None:
    with pytest.raises(UnknownNameError, match="set"):
        SetMeasure("tiny", zoo).score(make_recipe("linear", ["one"], set="other"), "tuning", quiet)
    with pytest.raises(UnknownNameError, match="set"):
        SetMeasure("nothing", zoo)


def test_spread_items_are_even_and_keep_their_labels(zoo: Path) -> None:
    task = tasks("tiny", "tuning", zoo)[0]
    few = spread(task, 4)
    assert few.labels.tolist() == task.labels[[0, 7, 15, 22]].tolist()
    assert torch.equal(torch.cat(few.batches), torch.cat(task.batches)[[0, 7, 15, 22]])
    assert spread(task, 30) is task and spread(task, 99) is task
    with pytest.raises(EvaluationError, match="choose at least 1"):
        spread(task, 0)


def test_a_kept_model_is_as_a_new_one(zoo: Path) -> None:
    opened, kept = open_set("tiny", zoo), KeptModel()
    config, todo = opened.base.config(), tasks("tiny", "tuning", zoo)
    first = None
    for model in (opened.base, *opened.experts.values(), opened.base):
        weights = {n: model.load(n) for n in model.tensors()}
        built = kept(config, weights)
        first = first or built
        assert built is first
        fresh = vision_model(config, weights)
        assert all(torch.equal(a, b) for a, b in zip(
            built.state_dict().values(), fresh.state_dict().values(), strict=True
        ))  # fmt: skip
        assert all((score(built, todo)[t.id] == score(fresh, todo)[t.id]).all() for t in todo)


def test_a_kept_model_never_writes_to_what_it_was_given(zoo: Path) -> None:
    """Float32 weights are not converted, so a model may hold the very tensors it was built of."""
    opened, kept = open_set("tiny", zoo), KeptModel()
    models = [opened.base, *opened.experts.values()]
    given = [{n: m.load(n).float() for n in m.tensors()} for m in models]
    copies = [{n: t.clone() for n, t in weights.items()} for weights in given]
    for weights in given:
        kept(opened.base.config(), weights)
    assert all(torch.equal(a[n], b[n]) for a, b in zip(given, copies, strict=True) for n in a)


def test_a_kept_model_refuses_what_does_not_fit_and_is_built_again_for_another_width(
    zoo: Path,
) -> None:
    opened, kept = open_set("tiny", zoo), KeptModel()
    config = opened.base.config()
    weights = {n: opened.base.load(n) for n in opened.base.tensors()}
    before = kept(config, weights)
    with pytest.raises(EvaluationError, match="missing_keys"):
        kept(config, dict(list(weights.items())[1:]))
    with pytest.raises(EvaluationError, match="unexpected_keys"):
        kept(config, weights | {"more": torch.zeros(1)})
    assert kept(config, weights) is before
    assert kept({**config, "layer_norm_eps": 1e-3}, weights) is not before


def test_trimmed_changes_are_kept_between_points(zoo: Path, monkeypatch) -> None:
    """A λ sweep of TIES trims once: its cache is filled by the first point and not after it."""
    cache = Intermediates(2**24)
    puts: list[object] = []
    put = cache.put
    monkeypatch.setattr(cache, "put", lambda key, *rest: (puts.append(key), put(key, *rest)))
    measure = SetMeasure("tiny", zoo, cache=cache, device="cpu")
    counts = []
    for scale in (0.2, 0.5, 1.0):
        recipe = make_recipe("ties", ["one", "two"], set="tiny", params={"scale": scale})
        measure.score(recipe, "tuning", quiet)
        counts.append(len(puts))
    assert counts[0] > 0 and counts[0] == counts[1] == counts[2]


def test_a_short_sweep_on_a_bundled_set() -> None:
    """λ of a sum of five experts on gentle: 0 is the base, 2 is far too much."""
    experts = list(open_set("gentle").experts)
    recipe = make_recipe("task_arithmetic", experts, set="gentle")
    plan = SweepPlan(recipe, (parameter_axis(recipe, "scale", values=(0.0, 0.2, 2.0)),))
    seen: list[SweepResult] = []
    measure = SetMeasure("gentle", items=50, device="cpu")
    found = sweep(plan, quiet, measure=measure, on_point=seen.append)
    means = {p.settings: p.mean.value for p in found.points if p.mean}
    assert means["λ = 0.2"] > means["λ = 0"] > 0.6 > 0.4 > means["λ = 2"]
    base = measure.base("tuning", quiet)
    at_zero = next(p for p in found.points if p.settings == "λ = 0")
    assert all((at_zero.correct[t] == base[t]).all() for t in base)
    assert found.chosen is not None and found.chosen.recipe == plan.axes[0].at(recipe, 0.2)
    stored = merge_and_evaluate(found.chosen.recipe, device="cpu").correct
    assert all((found.chosen.correct[t] == stored[t]).all() for t in stored)
    assert found.chosen.mean is not None and found.chosen.mean.value > 0.8


def test_a_card_that_names_no_other_set_means_its_own_experts() -> None:
    """The cards of narrow and weak say ``own`` with an empty name."""
    found = SetMeasure("narrow", items=10).own("tuning", quiet)
    assert all(len(bits) == 10 and bits.any() for bits in found.values()) and len(found) == 5
