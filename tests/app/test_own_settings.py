"""Settings of the page of own models: recipes both ways, files, and what strangers send."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from merging.errors import MergeError, RecipeError
from merging.jobs import Snapshot
from merging.preflight import Finding, Findings
from merging.recipe import make_recipe, parse_recipe
from merging.recipe.local import Curve, Local, Rule
from merging.recipe.mergekit import Note, parse_mergekit
from ui.own.files import mergekit_text, opened, own_text
from ui.own.outputs import Output
from ui.own.reading import read_forms
from ui.own.settings import OwnSettings, Row, from_recipe, renamed, to_recipe, to_task
from ui.own.views import (
    fields_value,
    findings_html,
    job_value,
    models_value,
    names_of,
    notes_html,
    output_html,
)
from ui.own.work import Task, blocked
from ui.views.panel import panel_value

KINDS = {
    "base": "model", "a": "model", "org/b": "model", "lora": "adapter", "org/lora": "adapter",
    "d.delta.safetensors": "delta",
}  # fmt: skip


def settings(*rows: Row, base: str = "base", name: str = "ties", **fields: Any) -> OwnSettings:
    made = OwnSettings(base=base, rows=rows, kinds=KINDS, **fields)  # type: ignore[arg-type]
    return replace(made, values=replace(made.values, method=name))


def sent(held: OwnSettings) -> list[str]:
    panel = panel_value(held.controls, names_of(held))
    return [json.dumps(v) for v in (models_value(held), panel, fields_value(held))]


EVERYTHING = settings(
    Row("a", weight=0.5), Row("lora"), Row("org/lora", "a", weight=0.25),
    Row("d.delta.safetensors"), dtype="bfloat16", tokenizer="union",
    local=(Local("density", (Rule(Curve((0.1, 0.9))),)),
           Local("weight", (Rule(0.3, "mlp"),), "a+org/lora")),
)  # fmt: skip


def test_every_kind_of_expert_gets_its_id() -> None:
    recipe = to_recipe(EVERYTHING)
    assert [e.id for e in recipe.experts] == [
        "a", "base+lora", "a+org/lora", "d.delta.safetensors"
    ]  # fmt: skip
    assert [e.weight for e in recipe.experts] == [0.5, 1.0, 0.25, 1.0]
    assert (recipe.base, recipe.set, recipe.dtype) == ("base", None, "bfloat16")
    assert recipe.tokenizer == "union" and len(recipe.local) == 2


def test_recipes_go_both_ways() -> None:
    recipe = to_recipe(EVERYTHING)
    blank = OwnSettings(kinds=KINDS)
    assert to_recipe(from_recipe(recipe, blank)) == recipe
    again, notes, format = opened(own_text(recipe).encode())
    assert format == "ours" and notes == ()
    assert again.key() == recipe.key()


def test_forms_go_both_ways() -> None:
    read = read_forms(OwnSettings(local=EVERYTHING.local), KINDS, *sent(EVERYTHING))
    assert to_recipe(read) == to_recipe(EVERYTHING)
    assert (read.rows, read.base, read.kinds) == (EVERYTHING.rows, "base", KINDS)


def test_experts_that_are_off_are_left_out() -> None:
    held = settings(Row("a"), Row("org/b", on=False))
    assert [e.id for e in to_recipe(held).experts] == ["a"]
    local = Local("weight", (Rule(0.3, "mlp"),), "org/b")
    assert to_recipe(replace(held, local=(local,))).local == ()


def test_local_values_that_a_method_cannot_have_wait_for_one_that_can() -> None:
    held = settings(Row("a"), local=EVERYTHING.local[:1])
    assert to_recipe(held).local == EVERYTHING.local[:1]
    other = replace(held, values=replace(held.values, method="task_arithmetic"))
    assert to_recipe(other).local == ()


@pytest.mark.parametrize(
    ("held", "words"),
    [
        (settings(), "Choose at least one expert"),
        (settings(Row("a"), Row("a")), "chosen twice"),
        (settings(Row("a"), base=""), "TIES needs a base"),
        (settings(Row("a"), name="slerp"), "needs at least 2"),
        (settings(Row("a"), name="fisher"), "Fisher diagonals have to be measured"),
        (settings(Row("a"), name="greedy_soup"), "have to be scored on data"),
        (settings(Row("a", weight=99)), "weight"),
        (settings(Row("a", weight=None)), "weight"),
        (settings(Row("a", weight=float("nan"))), "weight"),
        (settings(Row("lora"), output="adapter", rank=-1), "rank is -1"),
        (settings(Row("lora"), output="adapter", rank=None), "rank is empty"),
        (settings(Row("lora"), output="adapter", rank=1e300), "rank is 1e"),
    ],
)
def test_what_cannot_be_merged_is_said_in_words(held: OwnSettings, words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        to_task(held)


def test_recipes_for_which_there_is_no_control() -> None:
    blank = OwnSettings(kinds=KINDS)  # type: ignore[arg-type]
    many = make_recipe("linear", [f"m{i}" for i in range(7)])
    with pytest.raises(RecipeError, match="has 7 experts; this page takes 6"):
        from_recipe(many, blank)
    with pytest.raises(RecipeError, match="no model folder"):
        from_recipe(make_recipe("ties", ["a"], base="lora"), blank)
    with pytest.raises(RecipeError, match="not among the listed"):
        from_recipe(make_recipe("ties", ["../x"], base="base"), blank)


def test_adapters_without_their_base_are_named_with_it() -> None:
    text = (
        "format: merge-explorer/1\nbase: base\nmethod: ties\n"
        "experts: [{id: lora, weight: [0.1, 0.9]}, {id: a}]\ntokenizer: lora\n"
    )
    recipe = renamed(parse_recipe(text), KINDS)  # type: ignore[arg-type]
    assert [e.id for e in recipe.experts] == ["base+lora", "a"]
    assert recipe.tokenizer == "base+lora" and recipe.local[0].expert == "base+lora"
    assert to_recipe(from_recipe(recipe, OwnSettings(kinds=KINDS))) == recipe


MERGEKIT = """\
merge_method: ties
base_model: base
models:
  - model: a
    parameters: {weight: 0.5, densty: 0.3}
  - model: base+lora
    parameters: {weight: [0.1, 0.9], density: 0.4}
parameters: {normalize: true}
tokenizer_source: union
dtype: bfloat16
"""


def test_a_recipe_of_mergekit_is_read_with_its_report() -> None:
    recipe, notes, format = opened(MERGEKIT.encode())
    assert format == "mergekit" and recipe.tokenizer == "union"
    table = notes_html(format, notes)
    assert "Unknown key" in table and "densty" in table and "density" in table
    assert "Differs" in table and "trims within each tensor" in table
    held = from_recipe(recipe, OwnSettings(kinds=KINDS))  # type: ignore[arg-type]
    assert [r.name for r in held.rows] == ["a", "lora"]
    assert held.local[0].expert == "base+lora"
    back = parse_mergekit(mergekit_text(to_task(held)).replace("tokenizer_source: union\n", ""))
    assert replace(back, tokenizer="union").key() == recipe.key()


def test_what_mergekit_cannot_express_is_said() -> None:
    for task, words in (
        (Task(make_recipe("pcb", ["a"], base="base")), "no method like"),
        (Task(make_recipe("ties", ["d.delta.safetensors"], base="base")), "delta"),
        (Task(make_recipe("linear", ["lora"]), "adapter"), "written as an adapter"),
    ):
        with pytest.raises(RecipeError, match=words):
            mergekit_text(task)


@pytest.mark.parametrize(
    "content",
    [
        (MERGEKIT + "---\n" + MERGEKIT).encode(),
        (MERGEKIT.replace("merge_method", "name: x\nmerge_method") + "---\n" + MERGEKIT).encode(),
        b"x" * 1_000_000, b"\xff", b"[1, 2]", b"", None, 7,
    ],
)  # fmt: skip
def test_files_that_are_not_one_recipe(content: object) -> None:
    with pytest.raises(RecipeError):
        opened(content)


GOOD = settings(Row("a"))
BAD_MODELS: list[Any] = [
    None, 7, "", "[]", "{", "x" * 60_000, "[" * 40_000, '{"base": "base"}',
    '{"base": "base", "rows": 3}', '{"base": 3, "rows": []}', '{"base": "/etc", "rows": []}',
    '{"base": "../..", "rows": []}', '{"base": "lora", "rows": []}',
    '{"base": "", "rows": [1]}', '{"base": "", "rows": [{"name": "a"}]}',
    '{"base": "", "rows": [{"name": "/etc/passwd", "over": "", "on": true, "weight": 1}]}',
    '{"base": "", "rows": [{"name": "a", "over": "", "on": 1, "weight": 1}]}',
    '{"base": "", "rows": [{"name": "a", "over": "", "on": true, "weight": [1]}]}',
    '{"base": "", "rows": [{"name": "a", "over": "", "on": true, "weight": "1"}]}',
    '{"base": "", "rows": [{"name": "lora", "over": "lora", "on": true, "weight": 1}]}',
    json.dumps({"base": "", "rows": [{"name": "", "over": "", "on": True, "weight": 1}] * 7}),
]  # fmt: skip


@pytest.mark.parametrize("models", BAD_MODELS)
def test_forms_of_models_that_are_not_ours(models: Any) -> None:
    _, panel, fields = sent(GOOD)
    with pytest.raises(MergeError):
        read_forms(OwnSettings(), KINDS, models, panel, fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "fields",
    [
        None, "{}", '{"values": 3}', '{"values": {"dtype": "int4"}}',
        '{"values": {"dtype": {"a": 1}}}', '{"values": {"output": "../x"}}', "{",
    ],
)  # fmt: skip
def test_forms_of_options_that_are_not_ours(fields: Any) -> None:
    models, panel, _ = sent(GOOD)
    with pytest.raises(MergeError):
        read_forms(OwnSettings(), KINDS, models, panel, fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", [None, -1, 1e300, 0.5, "7", True])
def test_seeds_that_are_none(seed: Any) -> None:
    models, panel, _ = sent(GOOD)
    fields = json.dumps({"values": {"seed": seed}})
    held = read_forms(OwnSettings(), KINDS, models, panel, fields)  # type: ignore[arg-type]
    with pytest.raises(RecipeError, match="seed"):
        to_task(held)


@pytest.mark.parametrize(
    "template", ["chatml", "auto", "{% for m in messages %}{{ m }}{% endfor %}"]
)
def test_padding_and_template_go_both_ways(template: str) -> None:
    held = replace(EVERYTHING, pad=64, template=template)
    recipe = to_recipe(held)
    assert (recipe.pad_to_multiple_of, recipe.chat_template) == (64, template)
    assert to_recipe(from_recipe(recipe, OwnSettings(kinds=KINDS))) == recipe
    forms = sent(held)
    assert "for m in messages" not in forms[2]
    again = read_forms(held, KINDS, *forms)
    assert (again.pad, again.template) == (64, template)
    stands = to_recipe(replace(held, tokenizer="position"))
    assert (stands.pad_to_multiple_of, stands.tokenizer) == (1, "position")


def test_templates_that_are_not_offered_are_refused() -> None:
    models, panel, _ = sent(EVERYTHING)
    for word in ("own", ""):
        fields = json.dumps({"values": {"template": word}})
        assert read_forms(EVERYTHING, KINDS, models, panel, fields).template == ""
    for word in ("jinja", "{{ 1 }}", 5):
        fields = json.dumps({"values": {"template": word}})
        with pytest.raises(MergeError, match="template"):
            read_forms(EVERYTHING, KINDS, models, panel, fields)


def test_a_vocabulary_of_a_model_that_was_taken_off_is_forgotten() -> None:
    models, panel, _ = sent(GOOD)
    fields = json.dumps({"values": {"tokenizer": "org/b"}})
    assert read_forms(GOOD, KINDS, models, panel, fields).tokenizer == ""  # type: ignore[arg-type]
    fields = json.dumps({"values": {"tokenizer": "a"}})
    assert read_forms(GOOD, KINDS, models, panel, fields).tokenizer == "a"  # type: ignore[arg-type]


def finding(severity: Any, code: str, message: str, **fields: Any) -> Finding:
    return Finding(severity, code, message, **fields)


def test_findings_say_everything_as_text() -> None:
    bad = finding(
        "blocks", "shape", "<b>'w' differs</b>", remedy="Choose & look.", tensor="<i>",
        models=("base", "a"), values=("2x3", "3x2"),
    )  # fmt: skip
    found = Findings((bad, finding("warns", "x", "careful"), finding("tells", "y", "note")))
    table = findings_html(found)
    assert table.startswith("<p>1 block, 1 warning, 1 note.</p>")
    assert "&lt;b&gt;" in table and "<b>" not in table and "&lt;i&gt;" in table
    assert "base: 2x3<br>a: 3x2" in table and "Choose &amp; look." in table
    for word in ("Blocks", "Warns", "Tells"):
        assert f"</span> {word}</th>" in table
    assert blocked(found) == "1 finding blocks the merge. <b>'w' differs</b> Choose & look."


def test_many_findings_of_one_kind_are_counted() -> None:
    several = [finding("blocks", "missing", f"tensor {i}", tensor=f"w{i}") for i in range(300)]
    few = [finding("tells", "head", f"head {i}") for i in range(4)]
    found = Findings((*several, *few))
    table = findings_html(found)
    assert table.count('class="is-blocks"') == 4 and "and 297 more like these" in table
    assert "<code>w298</code>, <code>w299</code>" in table
    assert table.count('class="is-tells"') == 4 and "head 3" in table
    assert blocked(found) == "300 findings block the merge. The first: tensor 0"


def test_adapters_alone_are_written_as_an_adapter() -> None:
    alone = make_recipe("linear", ["lora", "org/lora"])
    assert from_recipe(alone, OwnSettings(kinds=KINDS)).output == "adapter"
    over = make_recipe("linear", ["base+lora", "a+org/lora"])
    assert from_recipe(over, OwnSettings(kinds=KINDS)).output == "model"


def test_notes_are_text_and_none_is_said() -> None:
    note = Note("unknown", "<x>", "a & b")
    assert "&lt;x&gt;" in notes_html("mergekit", [note])
    assert notes_html("", [note]) == ""
    assert "Everything in it is in the controls" in notes_html("ours", [])


def test_words_for_experts_stay_apart() -> None:
    held = settings(Row("lora"), Row("org/lora"), Row("org/b"))
    assert list(names_of(held).values()) == ["lora", "org/lora", "b"]


@pytest.mark.parametrize(
    ("shot", "text"),
    [
        (Snapshot("i", "k", "queued", position=3), "Waiting, place 3"),
        (Snapshot("i", "k", "running", message="merge w.A", elapsed=1.0), "Merge w.A · 1 s"),
        (
            Snapshot("i", "k", "running", fraction=0.25, message="merge", elapsed=10.0),
            "Merge · 10 s, about 30 s left",
        ),
        (Snapshot("i", "k", "running", fraction=0.8, message="look", elapsed=9.0), "Look · 9 s"),
        (Snapshot("i", "k", "done", elapsed=2.0), "Merged in 2.0 s"),
        (Snapshot("i", "k", "failed", message="No room."), "No room."),
    ],
)
def test_the_job_line_tells_how_far_a_merge_is(shot: Snapshot, text: str) -> None:
    assert job_value(shot).text == text


def test_an_expert_with_weights_by_layer_says_so_at_its_slider() -> None:
    rows = models_value(EVERYTHING)["rows"]
    assert [row["local"] for row in rows] == [False, False, True, False]


def test_what_was_merged_says_when_the_settings_are_other_ones(tmp_path: Path) -> None:
    recipe = to_recipe(EVERYTHING)
    archive = tmp_path / "merged.zip"
    archive.write_bytes(b"1234")
    output = Output("t", "o", "merged", tmp_path, archive, recipe, ("Done.",), 0.0, 4)
    assert "other ones now" not in output_html(output, "x", recipe.key())
    assert "The settings are other ones now." in output_html(output, "x", "another")
