"""Several documents of mergekit in one file are merged in order; revisions are told in words."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import stored, trio

from merging.cli import main
from merging.recipe import make_recipe, read_recipe
from merging.recipe.layers import Layers
from merging.recipe.renamed import renamed

FIRST = """
name: half
merge_method: linear
models:
  - {model: one, parameters: {weight: 1}}
  - {model: two, parameters: {weight: 1}}
"""
SECOND = """
merge_method: task_arithmetic
base_model: base
models:
  - {model: half, parameters: {weight: 0.5}}
  - {model: one, parameters: {weight: 0.25}}
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("series")
    trio("llama", root)
    return root


def merge(path: Path, out: Path, capsys: Any) -> tuple[int, str]:
    code = main(["merge", str(path), "--out", str(out), "--quiet", "--no-verify"])
    told = capsys.readouterr()
    return code, told.out + told.err


def recipe(home: Path, text: str, name: str = "recipe.yaml") -> Path:
    path = home / name
    path.write_text(text)
    return path


def test_a_later_document_merges_the_model_of_an_earlier_one(home: Path, capsys: Any) -> None:
    code, said = merge(recipe(home, f"{FIRST}---\n{SECOND}"), home / "out", capsys)
    assert code == 0
    assert said.count("wrote ") == 2 and f"wrote {home / 'out-half'}" in said
    base, one, two, out = (stored(home / n) for n in ("base", "one", "two", "out"))
    for name, start in base.items():
        half = (one[name] + two[name]) / 2
        want = start + 0.5 * (half - start) + 0.25 * (one[name] - start)
        assert torch.allclose(out[name], want, atol=1e-6), name
    # What was written merges again, to the same.
    again = recipe(home, (home / "out" / "recipe.yaml").read_text(), "again.yaml")
    assert merge(again, home / "again", capsys)[0] == 0
    assert all(torch.equal(t, out[n]) for n, t in stored(home / "again").items())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{FIRST.replace('half', '../half')}---\n{SECOND}", "part of a folder's name"),
        (f"{SECOND}---\n{FIRST}", "Document 1 has no name"),
        (f"format: merge-explorer/1\n---\n{SECOND}", "Only those of mergekit may call each other"),
        (f"{FIRST}---\n- a", "This is neither a recipe of ours"),
        (f"{FIRST}---\n{SECOND}wieght: 1", "Did you mean"),
    ],
)
def test_what_cannot_be_done_in_order_is_refused_first(
    home: Path, text: str, message: str, capsys: Any
) -> None:
    code, said = merge(recipe(home, text), home / "none", capsys)
    assert code == 1 and message in said
    assert not list(home.glob("none*"))


def test_a_folder_in_the_way_stops_before_any_work(home: Path, capsys: Any) -> None:
    (home / "way").mkdir()
    (home / "way" / "file").write_text("mine")
    code, said = merge(recipe(home, f"{FIRST}---\n{SECOND}"), home / "way", capsys)
    assert code == 1 and "exists already" in said
    assert not (home / "way-half").exists()


def test_other_commands_say_that_they_take_one(home: Path, capsys: Any) -> None:
    path = recipe(home, f"{FIRST}---\n{SECOND}")
    assert main(["check", str(path)]) == 2
    assert "holds 2 documents, one merge after another" in capsys.readouterr().err


@pytest.mark.parametrize("model", ["one@main", "base+lora@v2"])
def test_a_revision_of_a_folder_is_told(home: Path, model: str, capsys: Any) -> None:
    path = recipe(home, FIRST.replace("model: one", f"model: {model}"))
    code, said = merge(path, home / "none", capsys)
    assert code == 1 and f"'{model}' names a revision (@)" in said and "Download" in said


def test_ids_are_renamed_everywhere() -> None:
    text = "merge_method: ties\nbase_model: b\nparameters: {density: 0.5}\nmodels:\n"
    text += (
        "  - {model: b+l, parameters: {weight: [0, 1]}}\n  - {model: c, parameters: {weight: 1}}"
    )
    found = renamed(read_recipe(f"{text}\ntokenizer_source: c\n"), {"b": "x", "c": "y"})
    assert (found.base, [e.id for e in found.experts]) == ("x", ["x+l", "y"])
    assert ([one.expert for one in found.local], found.tokenizer) == (["x+l"], "y")
    cut = make_recipe("linear", ["a"], params={"normalize": False})
    (expert,) = cut.experts
    runs = (Layers("b", 0, 2), Layers("z", 0, 1))
    cut = cut.patched(experts=(type(expert)("b, z", 1.0, (), runs),))
    assert [run.model for run in renamed(cut, {"b": "x"}).experts[0].layers] == ["x", "z"]
