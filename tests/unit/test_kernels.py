"""The steps that methods share, each on numbers small enough for the head."""

import pytest
import torch
from builders import row
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, tensor

from merging.methods.kernels import (
    TRIM_RULES,
    disjoint_merge,
    elect,
    per_expert,
    rescale,
    settle,
    trim,
    trim_rank,
)
from merging.methods.magnitudes import MeasuredMagnitudes, ModelMagnitudes, SortedMagnitudes
from merging.methods.totals import l1


def rescaled(sparse: Tensor, original: Tensor, how: str, densities: list[float]) -> Tensor:
    """Make up for what ``sparse`` lacks, with the norms measured on both."""
    return rescale(sparse, how, densities, torch.stack([l1(original), l1(sparse)]))


CHANGES = st.sampled_from([-4, -3, -2, -1, 1, 2, 3, 4])


def trimmed(values: Tensor, density: float, rule: str) -> list[bool]:
    """Return which of the values survive; those that do are unchanged."""
    stack = values.unsqueeze(0)
    found = trim(stack, [density], rule, MeasuredMagnitudes(stack))[0]
    assert torch.equal(found, values * (found != 0))
    return (found != 0).tolist()


def test_per_expert_multiplies_whole_experts() -> None:
    stack = torch.ones(2, 1, 2)
    assert (stack * per_expert([2, -3], stack)).tolist() == [[[2, 2]], [[-3, -3]]]
    assert per_expert([1.0], torch.ones(1, dtype=torch.float64)).dtype == torch.float64


# What each rule drops of ten elements: authors keep int(n d) + 1, dropped int(n (1 - d)) - 1.
@pytest.mark.parametrize(
    ("density", "authors", "dropped", "exact", "at_least_one", "strict"),
    [
        (0.0, 10, 10, 10, 10, 10),
        (0.05, 9, 8, 10, 9, 9),
        (0.1, 8, 8, 9, 9, 9),
        (0.2, 7, 7, 8, 8, 8),
        (0.25, 7, 6, 8, 8, 7),
        (0.5, 4, 4, 5, 5, 5),
        (0.9, 0, 0, 1, 1, 1),
        (0.95, 0, 0, 1, 1, 0),
        (1.0, 0, 0, 0, 0, 0),
    ],
)
def test_trim_rank_of_ten(
    density: float, authors: int, dropped: int, exact: int, at_least_one: int, strict: int
) -> None:
    found = {rule: trim_rank(10, density, rule) for rule in TRIM_RULES}
    assert found == {
        "authors": authors,
        "dropped": dropped,
        "exact": exact,
        "at_least_one": at_least_one,
        "strict": strict,
    }


@pytest.mark.parametrize(
    ("rule", "rank"), [("authors", 0), ("dropped", 0), ("exact", 1), ("at_least_one", 0)]
)
def test_trim_rank_of_one_element(rule: str, rank: int) -> None:
    assert trim_rank(1, 0.5, rule) == rank
    assert trim_rank(1, 0.0, rule) == 1
    assert trim_rank(1, 1.0, rule) == 0
    assert trim_rank(0, 0.5, rule) == 0


def test_trim_rank_undoes_the_rounding_of_a_drop_rate() -> None:
    """The reference drops 0.1 of 1000; 1 - 0.9 is a little less and must not become 99."""
    assert int(1000 * (1 - 0.9)) == 99
    assert trim_rank(1000, 0.9, "dropped") == 100 - 1
    assert trim_rank(10, 1 - 0.7, "dropped") == 7 - 1


@given(st.integers(0, 10_000), st.floats(0, 1), st.sampled_from(TRIM_RULES))
def test_trim_rank_stays_in_range(count: int, density: float, rule: str) -> None:
    assert 0 <= trim_rank(count, density, rule) <= count


@given(st.integers(1, 500), st.floats(0, 1), st.floats(0, 1), st.sampled_from(TRIM_RULES))
def test_more_density_never_drops_more(count: int, a: float, b: float, rule: str) -> None:
    low, high = sorted((a, b))
    assert trim_rank(count, high, rule) <= trim_rank(count, low, rule)


@pytest.mark.parametrize(
    ("rule", "kept"),
    [
        ("exact", [False, True, False, False, True]),
        ("at_least_one", [False, True, False, False, True]),
        ("authors", [True, True, False, False, True]),
        ("dropped", [True, True, False, False, True]),
    ],
)
def test_trim_keeps_the_largest(rule: str, kept: list[bool]) -> None:
    assert trimmed(row(3, -5, 1, 2, 4), 0.4, rule) == kept


@pytest.mark.parametrize(
    ("rule", "kept"),
    [
        ("authors", [True, True, True, True]),
        ("dropped", [True, True, True, True]),
        ("exact", [True, True, False, False]),
        ("at_least_one", [True, True, False, False]),
        ("strict", [False, False, False, False]),
    ],
)
def test_ties_at_the_threshold(rule: str, kept: list[bool]) -> None:
    """All sizes equal: two rules keep every tie, two keep the first ones."""
    assert trimmed(row(2, -2, 2, -2), 0.5, rule) == kept


def test_exact_fills_up_with_ties_in_order() -> None:
    assert trimmed(row(1, 9, -1, 1), 0.75, "exact") == [True, True, True, False]


@pytest.mark.parametrize("rule", TRIM_RULES)
def test_zeros_are_trimmed_like_small_numbers(rule: str) -> None:
    """They count among the kept when few weights changed; every change then survives."""
    assert trimmed(row(0, 0, 0, 5), 0.5, rule) == [False, False, False, True]
    assert trimmed(row(0, 0, 4, 5), 0.25, "exact") == [False, False, False, True]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_threshold_itself_survives_and_the_number_below_it_does_not(
    dtype: torch.dtype,
) -> None:
    at = torch.tensor(0.1, dtype=dtype)
    below = at.nextafter(torch.tensor(0.0, dtype=dtype))
    values = torch.stack([below, at, -at, -below])
    assert trimmed(values, 0.25, "authors") == [False, True, True, False]


def test_where_nothing_is_trimmed_the_stack_comes_back() -> None:
    stack = torch.ones(2, 3)
    assert trim(stack, [1.0, 1.0], "authors", MeasuredMagnitudes(stack)) is stack


@pytest.mark.parametrize("rule", TRIM_RULES)
def test_density_zero_and_one(rule: str) -> None:
    assert trimmed(row(1, 2, 3), 0.0, rule) == [False] * 3
    assert trimmed(row(1, 2, 3), 1.0, rule) == [True] * 3


@pytest.mark.parametrize("rule", TRIM_RULES)
def test_one_element_by_each_rule(rule: str) -> None:
    assert trimmed(row(7), 0.5, rule) == [rule != "exact"]


def test_each_expert_has_its_own_density() -> None:
    stack = torch.stack([row(1, 2, 3, 4), row(4, 3, 2, 1)])
    found = trim(stack, [0.25, 0.5], "exact", MeasuredMagnitudes(stack))
    assert found.tolist() == [[0, 0, 0, 4], [4, 3, 0, 0]]


@given(st.lists(CHANGES, min_size=1, max_size=30), st.integers(0, 8))
def test_exact_keeps_exactly_as_many(numbers: list[int], eighth: int) -> None:
    values, density = row(*numbers), eighth / 8
    mask = torch.tensor(trimmed(values, density, "exact"))
    assert int(mask.sum()) == int(len(numbers) * density)
    if mask.any() and not mask.all():
        assert values[mask].abs().min() >= values[~mask].abs().max()


@given(st.lists(CHANGES, min_size=1, max_size=30), st.integers(1, 7))
def test_authors_keep_at_least_one_more(numbers: list[int], eighth: int) -> None:
    values = row(*numbers)
    mask = torch.tensor(trimmed(values, eighth / 8, "authors"))
    assert int(mask.sum()) >= min(len(numbers), int(len(numbers) * eighth / 8) + 1)
    if not mask.all():
        assert values[mask].abs().min() > values[~mask].abs().max()


def test_three_sources_of_magnitudes_agree() -> None:
    stack = torch.randn(2, 50, generator=torch.Generator().manual_seed(0))
    measured = MeasuredMagnitudes(stack.reshape(2, 5, 10))
    ordered = SortedMagnitudes([expert.abs().sort().values for expert in stack])
    model = ModelMagnitudes(lambda expert: stack[expert], 50)
    assert measured.count == ordered.count == 50
    for k in (1, 2, 25, 50):
        want = float(stack[1].abs().sort().values[k - 1])
        assert [m.kth_smallest(1, k) for m in (measured, ordered, model)] == [want] * 3


def test_inverse_rescale_divides_by_the_density() -> None:
    stack = tensor([[2.0, 0.0], [0.0, 3.0]])
    assert rescaled(stack, stack, "inverse", [0.5, 0.25]).tolist() == [[4, 0], [0, 12]]
    assert rescaled(stack, stack, "none", [0.5, 0.25]).tolist() == stack.tolist()


def test_l1_rescale_differs_from_inverse() -> None:
    """Half the entries but 9/10 of the length survive: L1 multiplies by 10/9, not by 2."""
    full, sparse = tensor([[9.0, 1.0]]), tensor([[9.0, 0.0]])
    assert rescaled(sparse, full, "l1", [0.5])[0].tolist() == pytest.approx([10, 0])
    assert rescaled(sparse, full, "inverse", [0.5])[0].tolist() == [18, 0]


def test_l1_rescale_leaves_tiny_norms_and_zeros() -> None:
    full, sparse = tensor([[6e-8, 2e-8], [1.0, 1.0]]), tensor([[6e-8, 0.0], [0.0, 0.0]])
    assert torch.equal(rescaled(sparse, full, "l1", [0.5, 0.5]), sparse)


def test_density_zero_leaves_zeros() -> None:
    zeros = torch.zeros(1, 3)
    assert torch.equal(rescaled(zeros, torch.ones(1, 3), "inverse", [0.0]), zeros)


@pytest.mark.parametrize("how", ["inverse", "l1", "none"])
@pytest.mark.parametrize("shape", [(2,), (2, 0), (2, 3), (2, 3, 2)])
def test_rescale_takes_every_shape(how: str, shape: tuple[int, ...]) -> None:
    """A single number such as CLIP's logit_scale is a tensor too."""
    stack = torch.ones(shape)
    assert torch.equal(rescaled(stack, stack, how, [1.0, 1.0]), stack)


def test_l1_rescale_of_a_single_number() -> None:
    assert rescaled(tensor([0.0, 2.0]), tensor([5.0, 4.0]), "l1", [0.5, 0.5]).tolist() == [0, 4]


def test_election_by_size_and_by_head_count() -> None:
    deltas = tensor([[3.0, 1.0, 0.0], [-1.0, -1.0, 0.0], [-1.0, 0.0, 0.0]])
    assert elect(deltas, "sum").tolist() == [1, 0, 0]
    assert elect(deltas, "count").tolist() == [-1, 0, 0]


def test_settle_touches_only_tied_votes() -> None:
    assert settle(row(1, 0, -1), 1.0).tolist() == [1, 1, -1]
    assert settle(row(1, 0, -1), -1.0).tolist() == [1, -1, -1]
    assert settle(row(1, 0, -1), 0.0).tolist() == [1, 0, -1]


DELTAS = tensor([[3.0, -1.0, 0.0], [1.0, 2.0, 0.0], [-2.0, 5.0, -4.0]])
PLUS = row(1, 1, 1)


@pytest.mark.parametrize(
    ("combine", "want"),
    [
        ("mean", [2, 3.5, 0]),
        ("sum", [4, 7, 0]),
        ("max", [3, 5, 0]),
        ("weighted_mean", [2, 3.5, 0]),
    ],
)
def test_only_agreeing_experts_count(combine: str, want: list[float]) -> None:
    found = disjoint_merge(DELTAS, PLUS, combine, [1, 1, 1], weighted=False)
    assert found.tolist() == want


def test_weighted_values_are_divided_by_count_or_by_weight() -> None:
    """Weights 1 and 3 on deltas 4 and 2: 10 over two experts, or over a weight of 4."""
    deltas = tensor([[4.0], [2.0]])
    weighted = deltas * per_expert([1, 3], deltas)
    for combine, want in (("mean", 5), ("weighted_mean", 2.5), ("sum", 10)):
        late = disjoint_merge(deltas, row(1), combine, [1, 3], weighted=False)
        early = disjoint_merge(weighted, row(1), combine, [1, 3], weighted=True)
        assert (late.item(), early.item()) == (want, want)


def test_weights_that_cancel_divide_by_one() -> None:
    deltas = tensor([[4.0], [4.0]])
    found = disjoint_merge(deltas, row(1), "weighted_mean", [1, -1], weighted=False)
    assert found.item() == 0


def test_largest_keeps_the_sign_of_its_weight() -> None:
    """Weight -1 subtracts what the elected expert learned, under max as under mean."""
    deltas = tensor([[4.0], [2.0]])
    for combine, want in (("max", -4), ("mean", -1)):
        assert disjoint_merge(deltas, row(1), combine, [-1, 1], weighted=False).item() == want


def test_a_negative_weight_that_votes_turns_its_expert_round() -> None:
    """Weight -1 makes a vote of -4 out of 4: with minus elected it alone agrees."""
    votes = tensor([[-4.0], [2.0]])
    assert disjoint_merge(votes, row(-1), "mean", [-1, 1], weighted=True).item() == -4
    assert disjoint_merge(votes, row(0), "mean", [-1, 1], weighted=True).item() == 0
