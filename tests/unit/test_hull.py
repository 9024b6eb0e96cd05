"""Hulls and clusters: samples inside, the middle, and trees by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_ground import MODELS, TinyGround
from tiny_measure import CancelAfter, quiet

from merging.errors import UnknownNameError
from merging.evaluation import score, vision_model
from merging.search.clusters import average_linkage, leaf_order
from merging.search.ground import SetGround
from merging.search.heights import Height
from merging.search.hull import dirichlet, hull
from merging.search.measure import SetMeasure

ACCURACY = Height("accuracy", ("t",))


def test_a_hull_holds_its_corners_its_middle_and_models_between() -> None:
    ground = TinyGround()
    found = hull(ground, ("a", "b", "c"), quiet, count=6, seed=3, threads=1)
    assert [m.name for m in found.members] == ["base", "a", "b", "c", "centroid"] + [""] * 6
    assert found.total == 11 and found.ended == "complete"
    corners = np.array([MODELS[name] for name in "abc"])
    for member, weights in zip(found.members[1:], ground.seen[1:], strict=True):
        assert sum(member.shares) == pytest.approx(1) and min(member.shares) >= 0
        assert weights.numpy() == pytest.approx(np.array(member.shares) @ corners, abs=1e-5)
        first = float(np.array(member.shares) @ corners[:, 0])
        assert ACCURACY.of(member.judged) == pytest.approx(first / 10, abs=6e-4)
    assert torch.equal(ground.seen[0], ground.weights("base"))
    assert found.members[4].shares == pytest.approx((1 / 3,) * 3)


def test_draws_are_even_over_the_hull_and_repeat() -> None:
    drawn = dirichlet(3, 4000, seed=1)
    assert drawn.mean(0) == pytest.approx([1 / 3] * 3, abs=0.02)
    assert drawn.var(0) == pytest.approx([1 / 18] * 3, abs=0.005)  # of a flat Dirichlet
    assert (drawn == dirichlet(3, 4000, seed=1)).all()
    assert not (drawn[:5] == dirichlet(3, 5, seed=2)).all()


def test_what_was_cancelled_keeps_its_models() -> None:
    found = hull(TinyGround(), ("a", "b"), CancelAfter(6), threads=1)
    assert found.ended == "cancelled" and 1 <= len(found.members) < 28
    with pytest.raises(UnknownNameError, match="zork"):
        hull(TinyGround(), ("a", "zork"), quiet)


def test_clusters_by_hand() -> None:
    """0 and 1 first (0.1 apart), then 2 and 3 (0.2), then both: (.9 + .8 + .7 + .6) / 4."""
    cosines = [
        [1.0, 0.9, 0.1, 0.2],
        [0.9, 1.0, 0.3, 0.4],
        [0.1, 0.3, 1.0, 0.8],
        [0.2, 0.4, 0.8, 1.0],
    ]
    one, two, three = average_linkage(cosines)
    assert (one.members, one.distance) == ((0, 1), pytest.approx(0.1))
    assert (two.members, two.distance) == ((2, 3), pytest.approx(0.2))
    assert (three.members, three.distance) == ((0, 1, 2, 3), pytest.approx(0.75))


def test_a_chain_is_joined_by_means_not_by_nearest_members() -> None:
    """0-1 at 0.1; 2 is 0.3 from 1 and 0.9 from 0, so 0.6 from both; 3 is 0.5 from 2."""
    apart = np.array([[0, 0.1, 0.9, 2], [0.1, 0, 0.3, 2], [0.9, 0.3, 0, 0.5], [2, 2, 0.5, 0]])
    joins = average_linkage(1 - apart)
    assert [j.members for j in joins] == [(0, 1), (2, 3), (0, 1, 2, 3)]
    assert joins[-1].distance == pytest.approx((0.9 + 2 + 0.3 + 2) / 4)
    assert average_linkage([[1.0]]) == () and leaf_order(()) == (0,)


@given(st.integers(2, 7), st.integers(0, 1000))
def test_trees_hold_everybody_once_and_only_rise(count: int, seed: int) -> None:
    vectors = np.random.default_rng(seed).normal(size=(count, 6))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    joins = average_linkage(vectors @ vectors.T)
    heights = [join.distance for join in joins]
    assert len(joins) == count - 1 and heights == sorted(heights)
    assert sorted(leaf_order(joins)) == list(range(count))


def test_a_bundled_set_is_a_ground() -> None:
    ground = SetGround("narrow", items=20)
    assert ground.models()[:3] == ("base", "digits", "fashion")
    assert "sparse/copy1" in ground.models() and "weak/digits" not in ground.models()
    assert "twin/twin" in SetGround("gentle").models()
    digits = ground.weights("digits")
    judged = ground.judge(digits, quiet)
    measure = SetMeasure("narrow", items=20)
    whole = vision_model(measure.opened.base.config(), ground.layout.views(digits))
    exact = score(whole, measure.tasks("tuning"))
    assert all((judged.correct[t] == exact[t]).all() for t in exact)
    own = ground.own(quiet)
    assert (own["digits"] == judged.correct["digits"]).all() and len(own) == 5
    assert 0 < judged.loss["digits"].mean() < 1.5
    wrong = ground.judge(torch.full_like(digits, float("nan")), quiet)
    assert not wrong.correct["digits"].any() and np.isinf(wrong.loss["digits"]).all()
    with pytest.raises(UnknownNameError, match="zork"):
        ground.weights("zork")
