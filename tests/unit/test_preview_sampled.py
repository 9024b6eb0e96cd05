"""Previews from samples: against full merges, and as sure as they say."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from builders import PLAIN, State, merge
from sampled_sketch import BASE, IDS, MODELS, SAMPLED, WHOLE, figure, sketch_of

from merging.analysis import Figure, count_conflict
from merging.checkpoints import Bucket
from merging.recipe import Recipe, make_recipe
from merging.sketch import Sketch, preview
from merging.sketch.memo import Memo
from merging.sketch.parts import SAMPLED as SAMPLED_OF
from merging.sketch.parts import draw, make_parts
from merging.sketch.work import carry_out

FULL_BUCKETS = (Bucket("Final", "norm"), Bucket("L0", "norm"))


# --- Against full merges --------------------------------------------------------------------------

ELEMENTWISE = [
    make_recipe("dare", IDS, params={"drop_rate": 0.4}, seed=5),
    make_recipe("dare_ties", {"a": 1.0, "b": 0.5, "c": 2.0}, params={"drop_rate": 0.7}, seed=9),
    make_recipe("dare_ties", IDS, dialect="peft", seed=1),
    make_recipe("task_arithmetic", {"a": 1.0, "b": -1.0, "c": 0.3}),
    make_recipe("linear", {"a": 1.0, "b": 2.0, "c": 0.3}),
    make_recipe("consensus_ta", IDS),
]


@pytest.mark.parametrize("recipe", ELEMENTWISE, ids=lambda r: f"{r.method} {r.seed}")
def test_sampled_weights_are_those_of_the_merge(recipe: Recipe) -> None:
    """Masks included: what the sketch holds is what a merge of all weights gives there."""
    merged = merge(recipe, BASE, MODELS)
    found = carry_out(SAMPLED, recipe.ordered(), change=True).merged
    assert found is not None and len(found) == SAMPLED.parts[-1].stop
    for part in SAMPLED.parts:
        inside = slice(part.start, part.stop)
        moved = (merged[part.tensor] - BASE[part.tensor]).flatten()[SAMPLED.index[inside]]
        assert np.allclose(found[inside], moved.numpy(), rtol=1e-4, atol=2e-8)


TRIMMED = [
    make_recipe("ties", IDS, params={"density": 0.3}),
    make_recipe("ties", IDS, params={"density": 0.3, "trim_scope": "tensor"}),
    make_recipe("ties", {"a": 1.0, "b": 0.5, "c": 2.0}, dialect="mergekit",
                params={"density": 0.6, "scale": 0.7}),
    make_recipe("ties", IDS, params={"density": 0.5, "election": "count", "combine": "sum"}),
    make_recipe("dare_ties", IDS, params={"drop_rate": 0.5, "density": 0.4}, seed=3),
    make_recipe("dare", IDS, dialect="mergekit", params={"drop_rate": 0.6}, seed=2),
    make_recipe("magnitude_prune", IDS),
    make_recipe("sce", IDS),
]  # fmt: skip


@pytest.mark.parametrize("recipe", TRIMMED, ids=lambda r: f"{r.method} {r.dialect}")
def test_samples_estimate_what_the_whole_says(recipe: Recipe) -> None:
    """Four standard errors: an interval is two."""
    found, exact = preview(SAMPLED, recipe), preview(WHOLE, recipe)

    def near(one: Figure | None, other: Figure | None) -> None:
        told, right = figure(one), figure(other)
        assert right.exact
        assert abs(told.value - right.value) <= 2.2 * max(told.high - told.value,
                                                          told.value - told.low, 1e-3)  # fmt: skip

    near(found.norm, exact.norm)
    near(found.whole.share, exact.whole.share)
    near(found.whole.chance, exact.whole.chance)
    for name in ("agree", "disjoint", "contested", "untouched"):
        near(getattr(found.whole, name), getattr(exact.whole, name))
    for one, other in zip(found.experts, exact.experts, strict=True):
        near(one.kept, other.kept)
        near(one.energy, other.energy)
        near(one.won, other.won)
    for bucket in found.cells:
        near(found.cells[bucket].contested, exact.cells[bucket].contested)
        near(found.at(bucket).norm, exact.at(bucket).norm)


@pytest.mark.parametrize("recipe", [*ELEMENTWISE[:4], *TRIMMED[1:3]], ids=lambda r: r.method)
def test_buckets_taken_whole_are_exact(recipe: Recipe) -> None:
    found, exact = preview(SAMPLED, recipe), preview(WHOLE, recipe)
    merged = merge(recipe, BASE, MODELS)
    for bucket in FULL_BUCKETS:
        assert found.cells[bucket] == exact.cells[bucket]
        own, right = found.at(bucket), exact.at(bucket)
        assert (own.experts, own.flips) == (right.experts, right.flips)
        name = "norm.weight" if bucket.row == "Final" else "layers.0.norm.weight"
        norm = figure(own.norm)
        assert norm.exact and norm.low == norm.high == norm.value
        assert norm.value == pytest.approx((merged[name] - BASE[name]).norm().item(), rel=1e-4)
    sampled = found.cells[Bucket("L0", "q")].contested
    assert not sampled.exact and sampled.low < sampled.value < sampled.high


def test_values_are_summed_over_all_that_is_held() -> None:
    found = preview(SAMPLED, make_recipe("dare_ties", IDS, seed=2), make_recipe("linear", IDS))
    held = SAMPLED.parts[-1].stop
    assert figure(found.norm).basis == figure(found.flips).basis == held
    assert found.experts[0].energy.basis == held


def test_a_looked_up_cut_is_not_called_exact() -> None:
    """A cut over a model that is only sampled is not known to the last weight."""
    recipe = make_recipe("ties", IDS, params={"density": 0.3})
    cell = preview(SAMPLED, recipe).cells[FULL_BUCKETS[1]]
    right = preview(WHOLE, recipe).cells[FULL_BUCKETS[1]]
    assert right.contested.exact and not cell.contested.exact
    assert cell.contested.low <= right.contested.value <= cell.contested.high


def test_a_whole_sketch_equals_a_count_over_a_merge() -> None:
    recipe = make_recipe("dare", IDS, params={"drop_rate": 0.4}, seed=5)
    found = preview(WHOLE, recipe)
    merged = merge(recipe, BASE, MODELS)
    moved = sum(float((merged[n] - BASE[n]).double().square().sum()) for n in BASE) ** 0.5
    assert figure(found.norm).value == pytest.approx(moved, rel=1e-4)
    assert figure(found.norm).exact and figure(found.length).exact


SHAPED = ("tsv_m", "iso_c", "della", "breadcrumbs_ties", "emr", "opcm")


@pytest.mark.parametrize("method", SHAPED)
def test_methods_that_need_whole_tensors_promise_nothing_from_samples(method: str) -> None:
    found = preview(SAMPLED, make_recipe(method, IDS))
    assert (found.norm, found.length, found.flips) == (None, None, None)
    assert [e.won for e in found.experts] == [None] * 3
    raw = preview(SAMPLED, make_recipe("task_arithmetic", IDS))
    assert found.whole == raw.whole


@pytest.mark.parametrize("method", ["tsv_m", "iso_c", "della"])
def test_a_whole_sketch_can_tell_what_they_do(method: str) -> None:
    recipe = make_recipe(method, IDS)
    merged = merge(recipe, BASE, MODELS)
    moved = sum(float((merged[n] - BASE[n]).double().square().sum()) for n in BASE) ** 0.5
    assert figure(preview(WHOLE, recipe).norm).value == pytest.approx(moved, rel=1e-3)


# --- As sure as they say --------------------------------------------------------------------------

POPULATIONS, DRAWS, SIZE = 20, 50, 36_000


def _population(seed: int) -> tuple[State, dict[str, State], np.random.Generator]:
    source = np.random.default_rng(seed)
    common = source.uniform(0, 2) * source.standard_normal(SIZE)
    models = {}
    for name in IDS:
        own = source.standard_normal(SIZE) * source.uniform(0.5, 1.5)
        values = (own + common) * (source.random(SIZE) < source.uniform(0.5, 1))
        models[name] = {"layers.0.q_proj.weight": torch.from_numpy(values).float()}
    zero = {"layers.0.q_proj.weight": torch.zeros(SIZE)}
    return zero, models, source


def test_sampled_figures_cover_the_exact_ones_as_often_as_they_say() -> None:
    """1,000 sketches of 20 models, each asked with another recipe: 93 to 97 % are right."""
    names = ("share", "contested", "disjoint", "kept", "energy", "won", "norm", "flips")
    covered, asked = dict.fromkeys(names, 0), dict.fromkeys(names, 0)
    for number in range(POPULATIONS):
        base, models, source = _population(number)
        whole = sketch_of(base, models, whole=SIZE)
        for seed in range(DRAWS):
            rate = float(source.uniform(0.05, 0.7))
            weights = dict(zip(IDS, source.uniform(0.2, 2, 3).tolist(), strict=True))
            recipe = make_recipe("dare_ties", weights, params={"drop_rate": rate}, seed=seed)
            pinned = make_recipe("task_arithmetic", IDS)
            sampled = _drawn(whole, seed)
            told, right = (_figures(preview(s, recipe, pinned)) for s in (sampled, whole))
            for name in names:
                if not told[name].too_few:
                    asked[name] += 1
                    covered[name] += told[name].low <= right[name].value <= told[name].high
    assert min(asked.values()) > 900
    for name in names:
        assert 0.93 <= covered[name] / asked[name] <= 0.97, (name, covered[name] / asked[name])


def _drawn(whole: Sketch, seed: int) -> Sketch:
    """What ``build_sketch`` would sample with a seed, without reading all weights again."""
    (part,) = whole.parts
    index = torch.from_numpy(draw(seed, part.tensor, part.count, SAMPLED_OF))
    (own,) = make_parts({part.tensor: part.shape})
    assert own.sampled == SAMPLED_OF
    chosen = {"index": index, "base": whole.base[index], "deltas": whole.deltas[:, index]}
    return replace(whole, parts=(own,), memo=Memo(), **chosen)


def test_the_drawn_sketches_are_those_that_are_built() -> None:
    base, models, _ = _population(0)
    whole = sketch_of(base, models, whole=SIZE)
    built, drawn = sketch_of(base, models, seed=4), _drawn(whole, 4)
    assert built.parts == drawn.parts
    assert torch.equal(built.index, drawn.index) and torch.equal(built.deltas, drawn.deltas)


def _figures(found: Any) -> dict[str, Figure]:
    first = found.experts[0]
    conflict = {n: figure(getattr(found.whole, n)) for n in ("share", "contested", "disjoint")}
    return conflict | {
        "kept": first.kept, "energy": first.energy, "won": figure(first.won),
        "norm": figure(found.norm), "flips": figure(found.flips),
    }  # fmt: skip


def test_counts_equal_those_of_signs() -> None:
    """Planes against ``count_conflict`` over the same columns."""
    found = carry_out(SAMPLED, make_recipe("task_arithmetic", IDS).ordered()).sums
    for at, part in enumerate(SAMPLED.parts):
        signs = SAMPLED.deltas[:, part.start : part.stop].sign().to(torch.int8)
        right = count_conflict(signs)
        assert found.survivors[at].tolist() == list(right.survivors)
        assert found.contested[at] == right.contested
        assert found.kept[at].tolist() == (signs != 0).sum(1).tolist()


@pytest.mark.parametrize("spec", PLAIN, ids=lambda s: s.id)
def test_every_method_is_answered_or_left_to_a_merge(spec: Any) -> None:
    """Methods that measure data, or look at all weights of a model at once, are left to a merge."""
    experts = IDS[: min(max(2, spec.needs.experts), spec.needs.most or 3)]
    for sketch in (SAMPLED, WHOLE):
        found = preview(sketch, make_recipe(spec.id, experts))
        known = spec.whole is None and not spec.needs.data
        if not known or (spec.id == "pcb" and sketch is SAMPLED):
            assert found.norm is None and found.whole.shared > 0
        elif sketch is WHOLE:
            assert found.norm is not None and found.norm.value > 0
