"""TIES worked out on four weights, step by step, as in a lesson.

Two experts changed four weights:

    a:   +0.9   -0.1   +0.3   +0.6
    b:   -0.4   -0.8   +0.2   +0.7
"""

from collections.abc import Iterable
from dataclasses import replace

import pytest
import torch
from builders import context, merge, merge_rows, row
from torch import Tensor

from merging.methods import ties
from merging.methods.context import Piece
from merging.methods.kernels import disjoint_merge, elect
from merging.methods.magnitudes import MeasuredMagnitudes
from merging.recipe import Expert, Recipe, make_recipe

A = row(0.9, -0.1, 0.3, 0.6)
B = row(-0.4, -0.8, 0.2, 0.7)
DELTAS = torch.stack([A, B])
ZERO = torch.zeros(4)


def close(found: Tensor, *want: float) -> bool:
    return torch.allclose(found, row(*want), atol=1e-6, rtol=0)


def trimmed(dialect: str, density: float) -> Tensor:
    recipe = make_recipe("ties", ["a", "b"], params={"density": density}, dialect=dialect)
    return ties.trimmed(DELTAS, context(recipe, DELTAS))


# Step 1. Density 1/2 of four weights is two. mergekit and peft keep the two largest:
HALF = torch.stack([row(0.9, 0, 0, 0.6), row(0, -0.8, 0, 0.7)])
# The authors keep everything from the second largest of the rest on, one more:
HALF_AUTHORS = torch.stack([row(0.9, 0, 0.3, 0.6), row(-0.4, -0.8, 0, 0.7)])


def test_step_1_trim() -> None:
    assert torch.equal(trimmed("mergekit", 0.5), HALF)
    assert torch.equal(trimmed("peft", 0.5), HALF)
    assert torch.equal(trimmed("paper", 0.5), HALF_AUTHORS)


def test_step_2_elect() -> None:
    """Sums are +0.5, -0.8, +0.3, +1.3: only the first weight is contested."""
    assert elect(HALF_AUTHORS, "sum").tolist() == [1, -1, 1, 1]


def test_step_3_disjoint_mean() -> None:
    """b does not count at the first weight, and nobody halves a lone voice."""
    signs = row(1, -1, 1, 1)
    merged = disjoint_merge(HALF_AUTHORS, signs, "mean", [1, 1], weighted=False)
    assert close(merged, 0.9, -0.8, 0.3, 0.65)


def test_paper_end_to_end() -> None:
    found = merge_rows("ties", ZERO, DELTAS, params={"density": 0.5})
    assert close(found, 0.9, -0.8, 0.3, 0.65)


def test_mergekit_end_to_end() -> None:
    """Two survive each; at the third weight both were trimmed."""
    found = merge_rows("ties", ZERO, DELTAS, params={"density": 0.5}, dialect="mergekit")
    assert close(found, 0.9, -0.8, 0, 0.65)


def test_peft_end_to_end() -> None:
    found = merge_rows("ties", ZERO, DELTAS, params={"density": 0.5}, dialect="peft")
    assert close(found, 0.9, -0.8, 0, 0.65)


def test_weights_act_before_the_vote_in_mergekit_and_after_it_elsewhere() -> None:
    """b counts three times. It wins the first weight only where weights vote.

    mergekit: votes 0.9 - 1.2 < 0, so -1.2 / 3; last weight (0.6 + 2.1) / (1 + 3).
    paper and peft: votes 0.9 - 0.4 > 0, so 0.9; last weight (0.6 + 2.1) / 2.
    """
    options = {"weights": [1, 3], "params": {"density": 1.0}}
    mergekit = merge_rows("ties", ZERO, DELTAS, dialect="mergekit", **options)
    assert close(mergekit, -0.4, (-0.1 - 2.4) / 4, (0.3 + 0.6) / 4, (0.6 + 2.1) / 4)
    for dialect in ("paper", "peft"):
        found = merge_rows("ties", ZERO, DELTAS, dialect=dialect, **options)
        assert close(found, 0.9, (-0.1 - 2.4) / 2, (0.3 + 0.6) / 2, (0.6 + 2.1) / 2)


def test_strength_scales_and_the_base_is_added() -> None:
    found = merge_rows("ties", row(1, 1, 1, 1), DELTAS, params={"density": 0.5, "scale": 2.0})
    assert close(found, 1 + 1.8, 1 - 1.6, 1 + 0.6, 1 + 1.3)


TIED = torch.stack([row(0.5, -1, -2, 0), row(-0.5, -3, -1, 0)])


@pytest.mark.parametrize(
    ("zero_sign", "first"),
    [("majority", -0.5), ("plus", 0.5)],
)
def test_a_tied_vote(zero_sign: str, first: float) -> None:
    """+0.5 and -0.5 cancel. Elsewhere minus prevails; the other rule says plus."""
    params = {"density": 1.0, "zero_sign": zero_sign}
    assert close(merge_rows("ties", ZERO, TIED, params=params), first, -2, -1.5, 0)


def majority(pieces: Iterable[Piece]) -> float:
    """Sign of the model's balance, as the survey finds it."""
    survey = ties.TIES.survey
    assert survey is not None
    found = survey(lambda: iter(pieces))
    assert isinstance(found, Tensor)
    return float(found.sign())


def test_majority_is_counted_over_the_whole_model_under_a_global_trim() -> None:
    """Balance of elected signs: -2 in the first tensor, +1 in the second."""
    recipe = make_recipe("ties", ["a", "b"], params={"density": 1.0})
    up = torch.stack([row(1), row(1)])
    pieces = [(context(recipe, TIED, "w"), TIED), (context(recipe, up, "v"), up)]
    assert majority(pieces) == -1
    assert majority(pieces[1:]) == 1


def test_weights_that_vote_also_decide_the_majority() -> None:
    """Minus prevails in the sums; a weight of 5 for the expert with the pluses turns it round."""
    deltas = torch.stack([row(2, 2, 0.5), row(-3, -3, -0.5)])
    for voters, sign in (("unweighted", -1), ("weighted", 1)):
        params = {"density": 1.0, "voters": voters}
        recipe = make_recipe("ties", {"a": 5.0, "b": 1.0}, params=params)
        assert majority([(context(recipe, deltas), deltas)]) == sign


def test_nothing_is_surveyed_where_ties_go_up() -> None:
    recipe = make_recipe("ties", ["a", "b"], params={"zero_sign": "plus"})
    assert majority([(context(recipe, TIED), TIED)]) == 0


def test_a_tie_of_the_majority_itself_leaves_zero() -> None:
    even = torch.stack([row(0.5, 1), row(-0.5, -1)])
    found = merge_rows("ties", torch.zeros(2), even, params={"density": 1.0})
    assert found.tolist() == [0, 0]


def test_global_trim_compares_over_all_tensors() -> None:
    """The large tensor keeps its entries, the small one loses all of its own."""
    recipe = make_recipe("ties", ["a"], params={"density": 0.25})
    small, large = row(0.1, 0.2, 0.1, 0.2).unsqueeze(0), row(1, 2, 3, 4).unsqueeze(0)
    whole = MeasuredMagnitudes(torch.cat([small, large], dim=1))
    kept = [ties.trim(part, [0.25], "authors", whole)[0] for part in (small, large)]
    assert close(kept[0], 0, 0, 0, 0)
    assert close(kept[1], 0, 2, 3, 4)
    assert close(ties.trimmed(small, context(recipe, small))[0], 0, 0.2, 0, 0.2)


def test_the_sign_is_elected_among_what_survived() -> None:
    """1 - 0.9 - 0.2 is minus. Once the third expert's 0.2 is trimmed, 1 - 0.9 is plus."""
    models = {"a": {"w": row(1, 5)}, "b": {"w": row(-0.9, 5)}, "c": {"w": row(-0.2, 5)}}
    base = {"w": torch.zeros(2)}
    full = Recipe("ties", (Expert("a"), Expert("b"), Expert("c")), dialect="peft")
    full = full.patched(params={"density": 1.0})
    assert close(merge(full, base, models)["w"], -0.55, 5)
    third = replace(full.experts[2], params=(("density", 0.5),))
    sparser = full.patched(experts=(*full.experts[:2], third))
    assert close(merge(sparser, base, models)["w"], 1, 5)
