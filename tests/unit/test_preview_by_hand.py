"""Previews of flips, winners and lengths: by hand, and what no choice may change."""

from typing import Any

import pytest
import torch
from sampled_sketch import BASE, IDS, MODELS, SAMPLED, figure, sketch_of

from merging.checkpoints import Bucket
from merging.errors import UnknownNameError
from merging.recipe import make_recipe
from merging.sketch import Sketch, preview


def small(**deltas: Any) -> Sketch:
    models = {n: {"w": torch.tensor(v, dtype=torch.float32)} for n, v in deltas.items()}
    zero = {"w": torch.zeros(len(next(iter(deltas.values()))))}
    return sketch_of(zero, models)


def test_who_wins_by_hand() -> None:
    """At weights 1 and 2 signs meet: a wins 3, b wins 4 of 7; weight 0 nobody contests."""
    sketch = small(a=[5, 3, -1, 2], b=[5, -1, 4, 0])
    found = preview(sketch, make_recipe("task_arithmetic", ["a", "b"]))
    assert [figure(e.won).value for e in found.experts] == pytest.approx([3 / 7, 4 / 7])
    assert figure(found.experts[0].won).basis == 2 and figure(found.experts[0].won).too_few
    loud = preview(sketch, make_recipe("task_arithmetic", {"a": 1.0, "b": 4.0}))
    assert [figure(e.won).value for e in loud.experts] == pytest.approx([0, 1])


def test_nobody_wins_where_nobody_meets() -> None:
    found = preview(small(a=[1, 0, 2], b=[0, 1, 2]), make_recipe("ties", ["a", "b"]))
    assert [e.won for e in found.experts] == [None, None]


def test_flips_by_hand() -> None:
    """(2, -1): a alone goes up and down, b at twice its size turns the second weight."""
    sketch = small(a=[2, -1, 1, 0], b=[1, 2, 1, 0])
    plain = make_recipe("task_arithmetic", {"a": 1.0, "b": 0.25})
    loud = plain.patched(weights={"b": 1.0})
    assert figure(preview(sketch, loud, pinned=plain).flips).value == 0.25
    assert figure(preview(sketch, plain, pinned=loud).flips).value == 0.25
    assert figure(preview(sketch, plain, pinned=plain).flips).value == 0
    assert preview(sketch, plain).flips is None


@pytest.mark.parametrize("scale", [-1.0, 0.0, 0.5, 2.0])
def test_no_strength_flips_what_was_elected(scale: float) -> None:
    for method in ("ties", "dare_ties", "task_arithmetic", "ram"):
        recipe = make_recipe(method, IDS)
        if "scale" in recipe.settings().common:
            other = recipe.patched(params={"scale": scale})
            assert figure(preview(SAMPLED, other, pinned=recipe).flips).value == 0


def test_flips_against_a_recipe_that_only_a_merge_can_tell() -> None:
    assert preview(SAMPLED, make_recipe("ties", IDS), pinned=make_recipe("emr", IDS)).flips is None


def test_length_follows_strength() -> None:
    one, half, none = (
        preview(SAMPLED, make_recipe("ties", IDS, params={"scale": s})) for s in (1.0, 0.5, 0.0)
    )
    assert figure(half.norm).value == pytest.approx(figure(one.norm).value / 2)
    assert figure(none.norm).value == figure(none.norm).high == 0
    mean = float(SAMPLED.norms().mean())
    assert figure(one.length).value == pytest.approx(figure(one.norm).value / mean)


def test_shares_of_all_weights_add_up() -> None:
    whole = preview(SAMPLED, make_recipe("ties", IDS, params={"density": 0.4})).whole
    parts = (whole.agree, whole.disjoint, whole.contested, whole.untouched)
    assert sum(p.value for p in parts) == pytest.approx(1)


def test_an_expert_that_is_not_in_the_sketch() -> None:
    with pytest.raises(UnknownNameError, match=r"expert 'd'"):
        preview(SAMPLED, make_recipe("ties", ["d"]))
    with pytest.raises(KeyError):
        preview(SAMPLED, make_recipe("ties", ["a"])).at(Bucket("L9", "q"))


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_change_nothing(threads: int) -> None:
    own = torch.get_num_threads()
    recipe = make_recipe("ties", IDS, params={"density": 0.4})
    wanted = preview(SAMPLED, recipe)
    torch.set_num_threads(threads)
    try:
        assert preview(SAMPLED, recipe) == wanted
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(own)


def test_other_experts_in_another_order_are_found() -> None:
    found = preview(SAMPLED, make_recipe("ties", ["c", "a"]))
    alone = sketch_of(BASE, {e: MODELS[e] for e in ("a", "c")})
    other = preview(alone, make_recipe("ties", ["a", "c"]))
    assert (found.cells, found.whole, found.experts) == (other.cells, other.whole, other.experts)
