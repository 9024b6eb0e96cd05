"""What a node answers: the same bits as here, refusals in words, and nothing that is no answer."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_measure import quiet

from merging.errors import EvaluationError
from merging.recipe import make_recipe, write_recipe
from merging.search import node
from merging.search.fingerprint import code_fingerprint, set_fingerprint
from merging.search.measure import SetMeasure
from merging.search.node import packed, score_point, unpacked
from merging.sets import open_set

RECIPE = make_recipe("ties", ["one", "two"], set="tiny", params={"scale": 0.7})


@pytest.fixture
def here(zoo: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of sets of this node."""
    monkeypatch.setenv("MERGE_EXPLORER_ZOO", str(zoo))
    yield zoo
    node._measure.cache_clear()


def order(**changes: object) -> str:
    content = set_fingerprint(open_set("tiny"))
    told = {"set": "tiny", "content": content, "code": code_fingerprint(), "items": 7}
    return json.dumps({**told, "recipe": write_recipe(RECIPE), **changes})


@pytest.mark.usefixtures("alone")
def test_a_node_answers_what_the_measure_answers(here: Path) -> None:
    told = json.loads(score_point(order()))
    want = SetMeasure("tiny", here, items=7).score(RECIPE, "tuning", quiet)
    found = unpacked(told["answers"])
    assert list(found) == list(want) == ["first", "second"]
    assert all((found[t] == want[t]).all() and len(found[t]) == 7 for t in want)
    assert told["seconds"] > 0 and len(told["worker"].split()) == 2


@given(st.lists(st.booleans(), min_size=1, max_size=70), st.booleans())
def test_bits_survive_the_way(bits: list[bool], first: bool) -> None:
    told = json.loads(json.dumps(packed({"a": np.array(bits), "b": np.array([first])})))
    found = unpacked(told)
    assert found["a"].tolist() == bits and found["b"].tolist() == [first]
    assert found["a"].dtype == np.bool_


def test_bits_travel_as_hexadecimal_digits() -> None:
    assert packed({"t": np.array([1, 0, 1, 0, 1, 0, 1, 0, 1], bool)}) == {"t": [9, "aa80"]}


@pytest.mark.parametrize(
    "told",
    [
        None, [], {}, "ff", {"t": None}, {"t": [8]}, {"t": [8, "ff", 1]}, {"t": [8, "fg"]},
        {"t": [9, "ff"]}, {"t": [8, "ffff"]}, {"t": [0, ""]}, {"t": [-1, "ff"]}, {"t": [8, 255]},
        {"t": [1 << 40, "ff"]},
    ],
)  # fmt: skip
def test_what_is_no_answer_is_refused(told: object) -> None:
    with pytest.raises(EvaluationError, match="no answer"):
        unpacked(told)


def test_a_node_with_other_files_refuses_and_names_the_set(here: Path) -> None:
    told = json.loads(score_point(order(content="0123456789abcdef")))
    assert told["error"].startswith("The set tiny on the node ")
    assert "0123456789abcdef" in told["error"] and "Copy the same set" in told["error"]
    assert "answers" not in told


def test_a_node_with_another_version_refuses(here: Path) -> None:
    told = json.loads(score_point(order(code="old")))
    assert "is another version than here" in told["error"] and "tiny" in told["error"]


def test_a_set_that_is_not_there_and_a_recipe_that_is_none(here: Path) -> None:
    assert "nowhere" in json.loads(score_point(order(set="nowhere")))["error"]
    assert "recipe" in json.loads(score_point(order(recipe="- 1")))["error"]
    assert "no line format" in json.loads(score_point(order(recipe="a: 1")))["error"]
    for broken in ("{", "[]", "{}"):
        assert json.loads(score_point(broken))["broken"]


def test_memory_that_runs_out_is_told(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(SetMeasure, "score", no_memory)
    assert json.loads(score_point(order()))["broken"] == "memory"


def test_every_file_of_a_set_counts(zoo: Path) -> None:
    """One byte more or less in any file that scores depend on makes another set."""
    first = set_fingerprint(open_set("tiny", zoo))
    assert first == set_fingerprint(open_set("tiny", zoo))
    for name in (
        "tiny/card.json", "tiny/one/model.safetensors", "base/model.safetensors",
        "base/config.json", "eval/first.safetensors", "heads/second.safetensors",
    ):  # fmt: skip
        path = zoo / name
        before = path.read_bytes()
        changed = before + b"\n" if name.endswith("json") else before[:-1] + bytes([before[-1] ^ 1])
        path.write_bytes(changed)
        assert set_fingerprint(open_set("tiny", zoo)) != first, name
        path.write_bytes(before)
    assert set_fingerprint(open_set("tiny", zoo)) == first
