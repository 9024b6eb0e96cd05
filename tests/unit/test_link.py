"""Links: they restore any view, and whatever a stranger writes gives a page and a sentence."""

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merging.methods.params import WEIGHT, Param
from merging.methods.registry import METHODS, method
from merging.recipe import make_recipe
from ui.link import CHOICES, HIDEABLE, RESERVED, WORDS, Start, decode, encode
from ui.settings import MethodValues, default_values, fitted, from_recipe, to_recipe
from ui.state import PARTS, SIDES, UNITS, AppState, View

EXPERTS = ("digits", "fashion", "optical", "scripts", "pictograms")
OTHERS = ("one", "two", "three")
FIRST = make_recipe("task_arithmetic", EXPERTS, set="gentle", params={"scale": 1.0})
SECOND = make_recipe("ties", OTHERS, set="bold", params={"density": 0.2})
STARTS = {"gentle": Start(EXPERTS, FIRST), "bold": Start(OTHERS, SECOND)}
PAGE = AppState(STARTS["gentle"].values, FIRST)


def read(query: str) -> tuple[AppState, tuple[str, ...]]:
    return decode(query, STARTS)


def same(found: AppState, want: AppState) -> bool:
    def facts(state: AppState) -> list[Any]:
        pinned = state.pinned and (state.pinned.key(), state.pinned.experts)
        recipe = state.recipe()
        return [recipe.key(), recipe.experts, pinned, state.view, state.hide]

    return facts(found) == facts(want)


def test_the_first_page_is_the_shortest_link() -> None:
    assert encode(PAGE, STARTS) == "v=1"
    state, problems = read("")
    assert same(state, PAGE) and problems == ()


def test_a_link_is_readable() -> None:
    recipe = make_recipe(
        "ties", {"digits": 1.0, "fashion": 0.5}, set="gentle", params={"density": 0.35}
    )
    state = AppState(from_recipe(recipe, PAGE.values), FIRST, view=View("disjoint", cell="L3 up"))
    state = replace(state, hide=frozenset({"seed", "runs"}))
    link = encode(state, STARTS)
    assert link == (
        "v=1&method=ties&experts=digits,fashion:0.5&density=0.35&part=disjoint&cell=L3+up"
        "&hide=runs,seed"
    )
    assert len(link) < 300 and same(read(link)[0], state)


def test_pins() -> None:
    ties = make_recipe("ties", EXPERTS, set="gentle", params={"density": 0.3})
    bold = AppState(STARTS["bold"].values, SECOND)
    for state, said in (
        (replace(PAGE, pinned=None), "v=1&pin=none"),
        (replace(PAGE, pinned=ties), "v=1&pin.method=ties&pin.density=0.3"),
        (replace(PAGE, pinned=SECOND), "v=1&pin.set=bold"),
        (bold, "v=1&set=bold"),
        (replace(bold, pinned=FIRST), "v=1&set=bold&pin=first"),
    ):
        assert encode(state, STARTS) == said
        found, problems = read(said)
        assert same(found, state) and problems == ()


def values_of(param: Param) -> st.SearchStrategy[Any]:
    if param.choices:
        return st.sampled_from(param.choices)
    if isinstance(param.default, bool):
        return st.booleans()
    if isinstance(param.default, str):
        return st.just(param.default)
    low, high = param.slider
    if isinstance(param.default, int):
        return st.integers(int(low), int(high))
    return st.floats(low, high, exclude_max=param.exclusive)


@st.composite
def pages(draw: st.DrawFn) -> AppState:
    name = draw(st.sampled_from(sorted(STARTS)))
    spec = draw(st.sampled_from(METHODS))
    experts = STARTS[name].experts
    plain = replace(default_values(name, experts), method=spec.id)
    dialect = draw(st.sampled_from(sorted(spec.dialects)))
    params = dict(spec.defaults(dialect))
    own: dict[str, dict[str, Any]] = {}
    for param in spec.params:
        if draw(st.booleans()):
            params[param.name] = draw(values_of(param))
        if param.per_expert and draw(st.booleans()):
            own[param.name] = {draw(st.sampled_from(experts)): draw(values_of(param))}
    on = draw(st.sets(st.sampled_from(experts), min_size=1))
    weights = {e: draw(st.floats(*WEIGHT.slider)) if e in on else 1.0 for e in experts}
    order = tuple(draw(st.permutations(experts)))
    plain = replace(plain, on=frozenset(on), weights=weights, order=order)
    values = fitted(plain).having(MethodValues(dialect, params, own))
    values = replace(values, seed=draw(st.integers(0, 10**9)))
    cell, kind = (
        draw(st.sampled_from(["", "L3 up", "Embed embed"])),
        draw(st.sampled_from(["", "q"])),
    )
    view = View(
        draw(st.sampled_from(PARTS)), draw(st.sampled_from(SIDES)), cell,
        draw(st.sampled_from(UNITS)), kind,
    )  # fmt: skip
    return AppState(values, view=view, hide=draw(st.frozensets(st.sampled_from(HIDEABLE))))


def valid(state: AppState) -> bool:
    try:
        to_recipe(state.values)
    except Exception:
        return False
    return True


@given(pages().filter(valid), pages().filter(valid), st.booleans())
def test_a_link_gives_the_page_back(state: AppState, other: AppState, pinned: bool) -> None:
    state = state.pin(other.recipe() if pinned else None) if pinned else state
    found, problems = read(encode(state, STARTS))
    assert problems == ()
    assert same(found, state)


@given(st.text(max_size=200))
def test_any_text_gives_a_page(text: str) -> None:
    state, _ = read(text)
    assert state.recipe().set in STARTS


KEYS = [*RESERVED, *CHOICES, *WORDS, "density", "scale", "density.digits", "pin.density", "pin.set"]
VALUES = ["", "nan", "inf", "-1", "1e400", "0.5", "ties", "digits,digits", "bold", "<b>", "true"]


@given(st.lists(st.tuples(st.sampled_from(KEYS), st.sampled_from(VALUES)), max_size=8))
def test_entries_in_any_order_give_a_page(entries: list[tuple[str, str]]) -> None:
    state, problems = read("&".join("=".join(entry) for entry in entries))
    assert state.recipe().set in STARTS
    assert all(len(problem) < 400 for problem in problems)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("desnity=0.3&method=ties", "desnity=0.3: unknown; did you mean density?"),
        ("method=ties&density=7", "density=7: the link: density is 7.0; it must be at least 0"),
        ("method=ties&density=lots", "density=lots: it must be a number."),
        ("method=tie", "method=tie: Unknown method 'tie'. Did you mean 'ties'?"),
        ("set=huge", "set=huge: there is no such set; gentle is shown."),
        ("experts=digits,cats", "experts=cats: the set has no such expert."),
        ("experts=digits:loud", "experts=digits:loud: it must be a number."),
        ("method=slerp&experts=digits", "SLERP"),
        ("seed=-1", "seed=-1: it must be a whole number."),
        ("part=half", "part=half: it must be one of contested, disjoint, agree."),
        ("hide=everything", "hide=everything: it can be set,"),
        ("pin=me", "pin=me: it can be none or first."),
        ("v=9", "v=9: this page knows links of version 1."),
        ("scale=1&scale=2", "scale=2: it stands twice; the first counts."),
        ("method=ties&dialect=latin", "dialect=latin: Unknown dialect for ties 'latin'."),
        ("x=" + "y" * 5000, "It is longer than 4000 characters; what is beyond is left out."),
        (
            "&".join(f"a{i}=1" for i in range(200)),
            "It has more than 100 entries; the first 100 count.",
        ),
    ],
)
def test_what_cannot_be_used_is_named(query: str, said: str) -> None:
    state, problems = read(query)
    assert state.recipe().set == "gentle"
    assert any(said in problem for problem in problems), problems


def test_one_bad_value_leaves_the_others() -> None:
    state, problems = read("method=ties&density=7&election=count&seed=12&units=accuracy")
    recipe = state.recipe()
    assert len(problems) == 1
    assert (recipe.method, recipe.settings().word("election")) == ("ties", "count")
    assert recipe.settings().number("density") == method("ties").defaults("paper")["density"]
    assert state.view.units == "accuracy"


@pytest.mark.parametrize("rest", ["&".join(f"a{i}=1" for i in range(200)), "x=" + "y" * 5000])
def test_of_a_link_that_is_too_long_the_beginning_counts(rest: str) -> None:
    state, problems = read(f"method=ties&scale=0.5&{rest}")
    assert (state.recipe().method, state.recipe().settings().number("scale")) == ("ties", 0.5)
    assert problems[0].startswith("It ")


def test_gradios_own_entries_are_left_alone() -> None:
    assert read("__theme=dark&__sign=abc")[1] == ()


def test_no_parameter_has_the_name_of_an_entry() -> None:
    taken = {*RESERVED, *CHOICES, *WORDS}
    assert not taken & {p.name for spec in METHODS for p in spec.params}
    assert all(name.isidentifier() and "." not in name for name in taken)
    assert dict(parse_qsl("pin.method=ties")) == {"pin.method": "ties"}


# Links as they were given out: they must open the same page for good.
GIVEN_OUT = {
    "v=1&method=ties&experts=digits,fashion:0.5&density=0.35&part=disjoint&cell=L3+up": (
        "ties", (("digits", 1.0), ("fashion", 0.5)), {"density": 0.35},
        View("disjoint", cell="L3 up"),
    ),
    "v=1&method=dare_ties&drop_rate=0.8&seed=7&pin.method=linear&side=difference": (
        "dare_ties", tuple((e, 1.0) for e in EXPERTS), {"drop_rate": 0.8},
        View(side="difference"),
    ),
    "scale=0.4": (
        "task_arithmetic", tuple((e, 1.0) for e in EXPERTS), {"scale": 0.4}, View(),
    ),
}  # fmt: skip


@pytest.mark.parametrize("link", GIVEN_OUT)
def test_links_of_the_past_open_the_same_page(link: str) -> None:
    name, experts, params, view = GIVEN_OUT[link]
    state, problems = read(link)
    recipe = state.recipe()
    assert problems == ()
    assert recipe.method == name
    assert tuple((e.id, e.weight) for e in recipe.experts) == experts
    settings = recipe.settings()
    assert {n: settings.common[n] for n in params} == params
    assert state.view == view
