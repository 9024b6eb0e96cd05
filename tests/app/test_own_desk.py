"""The page of own models: handlers as functions, from choosing to the archive."""

import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
import torch
from safetensors.torch import load, load_file

from merging.errors import MergeError, RecipeError
from merging.jobs import JobRunner
from merging.recipe import parse_recipe
from tests.app.own_page import OTHER, OWNER, chosen, desk_of, forms, method, services_of
from tests.app.test_handlers import Sent
from tests.own_models import SCALE, VOCAB, make_models, saved, tiny
from ui.desk import APOLOGY, told
from ui.own.desk import OwnDesk
from ui.own.events import add_own
from ui.own.page import OwnPage, draw_own
from ui.own.services import OwnServices
from ui.own.settings import OwnSettings, Row
from ui.own.state import OwnState


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_models(tmp_path_factory.mktemp("models"))


@pytest.fixture
def own(root: Path, tmp_path: Path) -> Iterator[OwnServices]:
    with services_of(root, tmp_path) as made:
        yield made


@pytest.fixture
def desk(own: OwnServices, tmp_path: Path) -> OwnDesk:
    return desk_of(own, tmp_path)


@pytest.fixture
def page(desk: OwnDesk) -> OwnPage:
    return desk.page


def checked(desk: OwnDesk, settings: OwnSettings, owner: str = OWNER) -> dict[Any, Any]:
    """Touch the page and wait for the check."""
    updates = desk.touch(OwnState(), owner, *forms(settings))
    desk.services._checks.wait(f"own {owner}", 60)
    state = updates[desk.page.state]
    return updates | desk.poll(state, owner, "")


def merged(desk: OwnDesk, settings: OwnSettings, owner: str = OWNER) -> dict[Any, Any]:
    """Check, merge and wait for the end."""
    state = checked(desk, settings, owner)[desk.page.state]
    desk.start(state, owner, *forms(settings))
    desk.services.jobs.wait(f"own {owner}", 60)
    return desk.poll(state, owner, "")


def archive(own: OwnServices, owner: str = OWNER) -> dict[str, bytes]:
    output = own.output(owner)
    assert output is not None
    with zipfile.ZipFile(output.archive) as packed:
        assert all(i.compress_type == zipfile.ZIP_STORED for i in packed.infolist())
        found = {i.filename: packed.read(i) for i in packed.infolist()}
    prefix = f"{output.name}/"
    assert all(name.startswith(prefix) for name in found)
    return {name.removeprefix(prefix): data for name, data in found.items()}


def test_a_folder_and_an_adapter_merge_as_by_hand(desk, page, own, root: Path) -> None:
    settings = method(chosen(own, "one", "lora-a"), "task_arithmetic", scale=0.5)
    settings = replace(settings, rows=(Row("one", weight=0.8), Row("lora-a", weight=0.25)))
    found = checked(desk, settings)
    assert found[page.go].interactive and found[page.go].value == "Merge"
    assert "Warns" in found[page.findings] and "0 blocks" in found[page.findings]
    done = merged(desk, settings)
    assert done[page.job]["state"] == "done"
    files = archive(own)
    assert {"config.json", "recipe.yaml", "README.md", "merge_report.json"} <= files.keys()
    ours = load(files["model.safetensors"])
    base, one = (load_file(root / n / "model.safetensors") for n in ("base", "one"))
    pairs = load_file(root / "lora-a" / "adapter_model.safetensors")
    for name, start in base.items():
        change = 0.8 * (one[name] - start)
        key = f"base_model.model.{name.removesuffix('.weight')}.lora_"
        if f"{key}A.weight" in pairs:
            product = pairs[f"{key}B.weight"] @ pairs[f"{key}A.weight"]
            change = change + 0.25 * SCALE * product
        torch.testing.assert_close(ours[name], start + 0.5 * change, rtol=1e-5, atol=1e-6)
    recipe = parse_recipe(files["recipe.yaml"].decode())
    assert [e.id for e in recipe.experts] == ["base+lora-a", "one"] and recipe.base == "base"
    assert str(root) not in files["README.md"].decode() + files["recipe.yaml"].decode()
    assert "21 tensors merged" in done[page.output]
    assert "a forward pass is finite" in done[page.output]


def test_a_delta_is_an_expert(desk, page, own, root: Path) -> None:
    settings = method(chosen(own, "two.delta.safetensors"), "task_arithmetic", scale=1.0)
    assert merged(desk, settings)[page.job]["state"] == "done"
    ours = load(archive(own)["model.safetensors"])
    for name, tensor in load_file(root / "two" / "model.safetensors").items():
        torch.testing.assert_close(ours[name], tensor, rtol=0, atol=0.02)


def test_adapters_alone_become_an_adapter(desk, page, own, root: Path) -> None:
    settings = method(chosen(own, "lora-a", "lora-b", base=""), "linear", normalize=False)
    settings = replace(settings, output="adapter", rank=6)
    found = checked(desk, settings)
    assert "2 adapter(s) on 2 modules, ranks up to 4" in found[page.findings]
    done = merged(desk, settings)
    assert "the sum is exact" in done[page.output] and "100.00%" in done[page.output]
    files = archive(own)
    ours, module = load(files["adapter_model.safetensors"]), "model.layers.1.self_attn.q_proj"
    key = f"base_model.model.{module}.lora_"
    parts = [load_file(root / n / "adapter_model.safetensors") for n in ("lora-a", "lora-b")]
    by_hand = sum(SCALE * p[f"{key}B.weight"] @ p[f"{key}A.weight"] for p in parts)
    product = ours[f"{key}B.weight"] @ ours[f"{key}A.weight"]
    torch.testing.assert_close(product, by_hand, rtol=1e-4, atol=1e-4)
    assert json.loads(files["adapter_config.json"])["r"] == 6


def test_another_network_is_said_once(desk, page, own) -> None:
    found = checked(desk, chosen(own, "one", "other/gpt2"))
    assert not found[page.go].interactive
    assert found[page.go].value == "Merge (1 finding blocks it)"
    assert (
        "model_type is &#x27;llama&#x27; in base and &#x27;gpt2&#x27; in other/gpt2"
        in (found[page.why])
    )
    assert found[page.findings].count('class="is-blocks"') == 1


def test_a_blocked_merge_says_why_and_cannot_be_started(desk, page, own, root: Path) -> None:
    saved(tiny("llama", intermediate_size=8), root / "other" / "narrow")
    own.list_again()
    settings = chosen(own, "one", "other/narrow")
    found = checked(desk, settings)
    assert not found[page.go].interactive
    assert found[page.go].value == "Merge (6 findings block it)"  # gate, up and down of two layers
    assert "6 findings block the merge. The first: " in found[page.why]
    assert found[page.findings].count('class="is-blocks"') == 4
    assert "and 3 more like these" in found[page.findings]
    state = found[page.state]
    with pytest.raises(MergeError, match="findings block the merge"):
        desk.start(state, OWNER, *forms(settings))
    assert own.job(OWNER) is None


def test_what_is_missing_is_said_before_any_check(desk, page, own) -> None:
    nothing = desk.touch(OwnState(), OWNER, *forms(chosen(own)))
    assert "Choose at least one expert." in nothing[page.why]
    assert not nothing[page.go].interactive and not nothing[page.timer].active
    without = desk.touch(OwnState(), OWNER, *forms(chosen(own, "one", base="")))
    assert "Task arithmetic needs a base." in without[page.why]
    twice = desk.touch(OwnState(), OWNER, *forms(chosen(own, "one", "one")))
    assert "&#x27;one&#x27; is chosen twice" in twice[page.why]
    settings = method(chosen(own, "one", "two", base=""), "linear")
    assert checked(desk, settings)[page.go].interactive  # averages need none


def test_visitors_see_their_own_jobs_only(desk, page, own) -> None:
    settings = chosen(own, "one")
    assert merged(desk, settings)[page.job]["state"] == "done"
    other = checked(desk, settings, OTHER)
    assert other[page.job]["state"] == "idle"
    assert "Nothing has been merged yet" in other[page.output]
    assert own.output(OTHER) is None and own.output(OWNER) is not None


def test_who_merges_before_the_check_has_ended_is_told_by_the_merge(desk, page, own) -> None:
    first = desk.touch(OwnState(), OWNER, *forms(chosen(own, "one")))
    if not first[page.go].interactive:
        assert first[page.timer].active and "Checking" in first[page.why]
    bad = chosen(own, "two", "other/gpt2")
    started = desk.start(first[page.state], OWNER, *forms(bad))
    own.jobs.wait(f"own {OWNER}", 60)
    done = desk.poll(started[page.state], OWNER, "")
    assert done[page.job]["state"] == "failed"
    assert done[page.job]["text"].startswith(
        "1 finding blocks the merge. model_type is 'llama' in base and 'gpt2' in other/gpt2"
    )


def test_listing_again_finds_what_is_new_and_lets_go_of_what_is_gone(
    tmp_path: Path, root: Path
) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    for name in ("base", "one"):
        (folder / name).symlink_to(root / name)  # leads out of the folder: not listed
    jobs = JobRunner()
    own = OwnServices(jobs, str(folder), tmp_path)
    assert own.shelf.kinds == {}
    for name in ("base", "one"):
        (folder / name).unlink()
        (folder / name).mkdir()
        for file in (root / name).iterdir():
            (folder / name / file.name).write_bytes(file.read_bytes())
    with gr.Blocks(analytics_enabled=False):
        desk = OwnDesk(draw_own(own.shelf), own, lambda name, text: tmp_path / name)
    state = OwnState(OwnSettings(kinds=own.shelf.kinds))
    found = desk.list_again(state, OWNER, *forms(state.settings))
    assert [n for n, _ in found[desk.page.models]["entries"]] == ["base", "one"]
    assert "2 models, 0 adapters, 0 deltas" in found[desk.page.shelf]
    settings = chosen(own, "one")
    for file in (folder / "one").iterdir():
        file.unlink()
    found = desk.list_again(found[desk.page.state], OWNER, *forms(settings))
    assert found[desk.page.notice] == "No longer there: one."
    assert found[desk.page.models]["rows"] == [] and found[desk.page.models]["base"] == "base"
    own.close()
    jobs.close()


def test_a_model_that_goes_away_between_listing_and_merging(desk, page, own, root) -> None:
    (root / "one" / "model.safetensors").rename(root / "one" / "hidden")
    try:
        found = checked(desk, chosen(own, "one"))
        assert not found[page.go].interactive and "Blocks" in found[page.findings]
        assert str(root) not in found[page.findings] + found[page.why]
    finally:
        (root / "one" / "hidden").rename(root / "one" / "model.safetensors")


def test_without_a_folder_of_models_the_page_says_how_to_set_one(tmp_path: Path) -> None:
    jobs = JobRunner()
    for name, words in (("", "Start it with the setting MODELS_DIR"), ("/no/such", "is not there")):
        own = OwnServices(jobs, name, tmp_path)
        with gr.Blocks(analytics_enabled=False):
            desk = OwnDesk(draw_own(own.shelf), own, lambda n, text: tmp_path / n)
        found = desk.restore(OwnState(), None, "")
        assert words in found[desk.page.shelf] and not found[desk.page.columns].visible
        with pytest.raises(MergeError):
            desk.open_recipe(OwnState(), OWNER, b"format: merge-explorer/1\nmethod: linear\n"
                             b"experts: [one]\n")  # fmt: skip
        own.close()
    jobs.close()


def tokenizer(folder: Path, size: int) -> None:
    words = {f"w{at}": at for at in range(size)}
    data = {"model": {"type": "WordLevel", "vocab": words, "unk_token": "w0"}}
    (folder / "tokenizer.json").write_text(json.dumps(data))
    (folder / "tokenizer_config.json").write_text("{}")


def test_vocabularies_of_other_sizes_block_until_rows_go_by_token(
    desk, page, own, root: Path
) -> None:
    for name, size in (("words", VOCAB), ("more", VOCAB + 2)):
        tokenizer(saved(tiny("llama", vocab_size=size), root / "vocabulary" / name), size)
    own.list_again()
    plain = chosen(own, "vocabulary/more", base="vocabulary/words")
    found = checked(desk, plain)
    assert not found[page.go].interactive and "tokenizer: union" not in found[page.why]
    assert "Choose a vocabulary (all tokens of all models, or the base&#x27;s)" in found[page.why]
    union = replace(plain, tokenizer="union")
    assert checked(desk, union)[page.go].interactive
    assert merged(desk, union)[page.job]["state"] == "done"
    files = archive(own)
    ours = load(files["model.safetensors"])["model.embed_tokens.weight"]
    assert ours.shape[0] == json.loads(files["config.json"])["vocab_size"] == VOCAB + 2
    pair = [load_file(root / "vocabulary" / n / "model.safetensors") for n in ("words", "more")]
    base, more = (one["model.embed_tokens.weight"] for one in pair)
    by_hand = base + 0.3 * (more[:VOCAB] - base)
    torch.testing.assert_close(ours[:VOCAB], by_hand, rtol=1e-5, atol=1e-6)


def test_cancelled_merges_leave_nothing(desk, page, own, tmp_path: Path, monkeypatch) -> None:
    from ui.own import work

    settings = chosen(own, "one")
    state = checked(desk, settings)[page.state]

    def stubborn(*args: Any, **kwargs: Any) -> None:
        args[2](0.1, "working")
        own.jobs.cancel(f"own {OWNER}")
        args[2](0.2, "working")

    monkeypatch.setattr(work, "commit", stubborn)
    desk.start(state, OWNER, *forms(settings))
    own.jobs.wait(f"own {OWNER}", 30)
    found = desk.cancel(state, OWNER)
    assert found[page.job]["state"] == "cancelled"
    assert found[page.go].interactive and not found[page.cancel].interactive
    assert list((tmp_path / "own").iterdir()) == []


def test_a_reload_brings_back_recipe_and_result(desk, page, own) -> None:
    settings = method(chosen(own, "one", "lora-a"), "ties", density=0.37)
    updates = checked(desk, settings)
    assert merged(desk, settings)[page.job]["state"] == "done"
    found = desk.restore(OwnState(), OWNER, updates[page.saved])
    assert found[page.models]["base"] == "base"
    assert [r["name"] for r in found[page.models]["rows"]] == ["one", "lora-a"]
    assert found[page.panel]["values"]["params"]["density"] == 0.37
    assert found[page.owner] == OWNER and "Download" in found[page.output]
    broken = desk.restore(OwnState(), OWNER, "format: merge-explorer/1\nmethod: x\n")
    assert "What this browser kept cannot be shown" in broken[page.notice]


def test_choosing_methods_and_presets(desk, page, own) -> None:
    settings = chosen(own, "one", "two")
    found = desk.choose_method(Sent(method="dare_ties"), OwnState(), OWNER, *forms(settings))
    assert found[page.panel]["method"] == "dare_ties"
    assert [f["name"] for f in found[page.fields]["fields"]][-1] == "seed"
    after = found[page.state].settings
    found = desk.choose_dialect(Sent(dialect="mergekit"), OwnState(after), OWNER, *forms(after))
    assert found[page.panel]["values"]["dialect"] == "mergekit"
    fisher = desk.choose_method(Sent(method="fisher"), OwnState(), OWNER, *forms(settings))
    words = {m["id"]: m["missing"] for f in fisher[page.chooser]["families"] for m in f["methods"]}
    assert "Fisher diagonals have to be measured" in words["fisher"] and words["ties"] == ""


def test_errors_are_words_and_surprises_an_apology(desk, page, own, monkeypatch) -> None:
    safe = told(page.notice, desk.touch)
    assert "Reload the page" in safe(OwnState(), OWNER, "{", "{", "{")[page.notice]
    monkeypatch.setattr(own, "checked", lambda *a: 1 / 0)
    assert safe(OwnState(), OWNER, *forms(chosen(own, "one")))[page.notice] == APOLOGY


@pytest.mark.parametrize("content", [None, "text", b"\xff\xfe", b"x" * 70_000, b"a: [", b"- 1"])
def test_files_that_are_no_recipe(desk, content: Any) -> None:
    with pytest.raises(RecipeError):
        desk.open_recipe(OwnState(), OWNER, content)


def test_no_handler_of_the_page_is_public_or_waits_in_the_queue(own, tmp_path) -> None:
    with gr.Blocks(analytics_enabled=False) as demo:
        gr.Markdown("first page")
    add_own(demo, own, lambda name, text: tmp_path / name)
    found = [d for d in demo.config["dependencies"] if d["backend_fn"]]
    assert len(found) == 22
    assert {d["api_visibility"] for d in found} == {"private"}
    assert not any(d["queue"] for d in found)
