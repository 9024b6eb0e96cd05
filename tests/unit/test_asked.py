"""Arguments of searches that mean nothing are refused in words, before any work."""

from collections.abc import Callable

import pytest
import torch
from tiny_ground import TinyGround
from tiny_measure import TinyMeasure, quiet, sum_of

from merging.errors import CompatibilityError, MergeError, ParameterError, UnknownNameError
from merging.recipe import make_recipe
from merging.search.asked import finite_number, seconds_of, threads_of, whole_number
from merging.search.attribution import attribute
from merging.search.axis import count_axis, parameter_axis, seed_axis
from merging.search.ground import SetGround
from merging.search.guard import curve_of
from merging.search.heights import Height
from merging.search.hull import dirichlet, hull
from merging.search.landscape import landscape
from merging.search.line import line_search
from merging.search.measure import SetMeasure
from merging.search.optimise import optimise
from merging.search.pace import Pace
from merging.search.path import Path, barrier, straight_path
from merging.search.plan import SweepPlan
from merging.search.points import Point
from merging.search.walk import walk

NAN, LAMBDAS = float("nan"), parameter_axis(sum_of(), "scale", count=3)
A, B = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([3.0, 2.0, 1.0])
DARE = make_recipe("dare", "ab", set="tiny")


class Untouched(TinyGround):
    """A ground that must not be asked for weights or judgements."""

    def weights(self, model: str) -> torch.Tensor:
        raise AssertionError(f"{model} was loaded")

    def judge(self, *asked: object) -> None:
        raise AssertionError("judged")


class Unscored(TinyMeasure):
    """A measure that must not be asked."""

    def score(self, *asked: object) -> dict:
        raise AssertionError("scored")


def hulled(*experts: str, **how: object) -> object:
    return hull(Untouched(), experts or ("a", "b"), quiet, **how)


def walked(models: tuple = (A, B), **how: object) -> object:
    return straight_path(Untouched(), ("a", "b"), models, quiet, **how)


def mapped(experts: tuple = ("a", "b"), **how: object) -> object:
    return landscape(Untouched(), experts, quiet, **how)


def searched(**how: object) -> object:
    return optimise(sum_of(), quiet, measure=Unscored(), **how)


def stepped(**how: object) -> object:
    return walk(sum_of(), quiet, measure=Unscored(), **how)


def curved(name: str, recipe: object = None) -> object:
    point = Point("x", recipe or sum_of(), correct=TinyMeasure().base("tuning", quiet))
    return curve_of([point], point.correct, ("first",), name)


WRONG: list[tuple[Callable[[], object], type[MergeError], str]] = [
    (lambda: hulled(seed=-1), ParameterError, "seed is -1; choose a whole number from 0 to"),
    (lambda: hulled(count=2.5), ParameterError, "count is 2.5; choose a whole number from 0"),
    (lambda: hulled(threads=0), ParameterError, "threads is 0; choose a whole number from 1 to 64"),
    (lambda: hulled("a", "b", "a"), ParameterError, "'a' is named twice. Name it once"),
    (lambda: hulled("a", "base"), ParameterError, "'base' is the base and no expert. Leave it out"),
    (lambda: hulled("a"), CompatibilityError, "One expert spans no region. Choose at least two"),
    (lambda: hull(Untouched(), (), quiet), CompatibilityError, "No expert spans no region"),
    (lambda: hull(Untouched(), "ab", quiet), ParameterError, "text 'ab'; give a list of names"),
    (lambda: hulled("a", "zork"), UnknownNameError, "Unknown expert 'zork'. Known: a, b"),
    (lambda: dirichlet(0, 3), ParameterError, "corners is 0; choose a whole number of at least 1"),
    (lambda: dirichlet(2, -1), ParameterError, "count is -1"),
    (lambda: walked(count=0), ParameterError, "count is 0; choose a whole number from 3 to 1001"),
    (lambda: walked(count=1), ParameterError, "count is 1"),
    (lambda: walked(count=NAN), ParameterError, "count is nan"),
    (lambda: walked(count=True), ParameterError, "count is True"),
    (lambda: walked(threads=-1), ParameterError, "threads is -1"),
    (lambda: walked((A, B[:2])), CompatibilityError, r"'a' has \(3,\) and 'b' has \(2,\)"),
    (lambda: walked((A, B * NAN)), CompatibilityError, "Weight 0 of 'b' is nan. Choose a model"),
    (lambda: walked((A, B, A)), CompatibilityError, "2 names for 3 models"),
    (lambda: barrier(Path(("a", "b"), 1.0), Height("loss", ("t",)), -2), ParameterError, "seed is"),
    (lambda: mapped(count=2.0), ParameterError, "count is 2.0; choose a whole number from 2"),
    (lambda: mapped(threads="2"), ParameterError, "threads is '2'"),
    (lambda: mapped(tasks=()), ParameterError, "tasks is empty; name at least one"),
    (lambda: mapped(tasks=("zzz",)), UnknownNameError, "Unknown task 'zzz'"),
    (lambda: mapped(("a", "zork")), UnknownNameError, "Unknown model 'zork'"),
    (lambda: mapped(budget_seconds=-1), ParameterError, "budget is -1; choose seconds, at least 0"),
    (lambda: searched(seed=-3), ParameterError, "seed is -3"),
    (lambda: searched(seed=2**32), ParameterError, "seed is 4294967296"),
    (lambda: searched(trials=2.5), ParameterError, "trials is 2.5"),
    (lambda: searched(axes=()), MergeError, "axes is empty; name at least one setting"),
    (lambda: searched(budget_seconds=NAN), ParameterError, "budget is nan"),
    (lambda: stepped(patience=-1), ParameterError, "patience is -1; choose a whole number of at"),
    (lambda: stepped(step=5), ParameterError, "step is 5; it leads beyond .* 0 to 2 .* at most 2"),
    (lambda: stepped(step="x"), ParameterError, "step is 'x'; choose a finite number"),
    (lambda: line_search(lambda at: 0, NAN), ParameterError, "start is nan"),
    (lambda: curved("zzz"), UnknownNameError, "Unknown parameter of the points 'zzz'"),
    (lambda: curved("rescale", DARE), ParameterError, "rescale is .inverse. at a point"),
    (
        lambda: SweepPlan(sum_of(), (LAMBDAS,), "worst"),
        UnknownNameError, "Unknown choice 'worst'. Known: best, simplest",
    ),
    (
        lambda: attribute(sum_of(), quiet, measure=Unscored(), by="zzz"),
        UnknownNameError, "Unknown size of blocks 'zzz'. Known: cell, module, row",
    ),
    (lambda: parameter_axis(sum_of(), "scale", count=2.5), ParameterError, "values is 2.5"),
    (lambda: seed_axis(DARE, draws=2.5), ParameterError, "values is 2.5"),
    (lambda: count_axis(sum_of(), 1.5), ParameterError, "least is 1.5"),
    (lambda: SetMeasure("gentle", items=2.5), ParameterError, "items is 2.5"),
    (lambda: SetMeasure("gentle", items=0), ParameterError, "items is 0; .* of at least 1"),
    (lambda: SetMeasure("gentle", only=frozenset("x")), UnknownNameError, "Unknown task 'x'"),
    (lambda: SetGround("gentle", items=-4), ParameterError, "items is -4"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "kind", "words"), WRONG, ids=[words for *_, words in WRONG])
def test_what_means_nothing_is_refused_before_any_work(
    call: Callable[[], object], kind: type[MergeError], words: str
) -> None:
    with pytest.raises(kind, match=words):
        call()


def test_what_is_meant_is_taken() -> None:
    assert whole_number("n", torch.tensor([3]).numpy()[0], 0) == 3
    assert threads_of(None) is None and threads_of(2) == 2
    assert finite_number("x", 1) == 1.0 and seconds_of("budget", float("inf")) == float("inf")
    assert Pace(0).budget == 0.0
    assert len(hull(TinyGround(), ["a", "b"], quiet, count=0, threads=1).members) == 4
    assert line_search(lambda at: at, 1, 0.5, 1).curve == ((1, 1),)  # a range of one place
