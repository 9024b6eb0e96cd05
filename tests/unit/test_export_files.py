"""Files that go along with weights: which, from whom, and what is refused."""

import json
import os
from pathlib import Path

import pytest
from builders import row
from safetensors.torch import save_file

from merging.checkpoints import MemoryCheckpoint, open_folder
from merging.checkpoints.patched import PatchedCheckpoint
from merging.checkpoints.sliced import SlicedCheckpoint
from merging.export import Companions, gather
from merging.export import basket as export_basket


def model(folder: Path, files: dict[str, str | bytes]) -> Path:
    folder.mkdir(parents=True)
    save_file({"w": row(1)}, folder / "model.safetensors")
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def gathered(*folders: Path) -> Companions:
    return gather([open_folder(folder) for folder in folders])


def test_each_group_comes_whole_from_the_first_that_has_it(tmp_path: Path) -> None:
    base = model(tmp_path / "base", {"vocab.txt": b"a\r\nb\xff", "merges.txt": "m"})
    one = model(
        tmp_path / "one",
        {"tokenizer.json": "{}", "vocab.txt": "other", "generation_config.json": "{ }"},
    )
    found = gathered(base, one)
    assert dict(found.files) == {
        "vocab.txt": b"a\r\nb\xff", "merges.txt": b"m", "generation_config.json": b"{ }",
    }  # fmt: skip
    assert dict(found.sources) == {
        "vocab.txt": "base", "merges.txt": "base", "generation_config.json": "one",
    }  # fmt: skip
    assert (dict(found.left), found.notes) == ({}, ())


def test_models_in_memory_have_no_files(tmp_path: Path) -> None:
    one = model(tmp_path / "one", {"vocab.txt": "v"})
    found = gather([MemoryCheckpoint("base", {"w": row(1)}), open_folder(one)])
    assert dict(found.sources) == {"vocab.txt": "one"}
    assert gather([MemoryCheckpoint("base", {"w": row(1)})]) == Companions()


@pytest.mark.parametrize("name", ["evil.py", "pytorch_model.bin", "x.pkl", "notes.md", "README.md"])
def test_other_files_stay(name: str, tmp_path: Path) -> None:
    assert gathered(model(tmp_path / "m", {name: "x"})) == Companions()


def test_a_template_comes_from_an_expert_with_the_same_tokenizer(tmp_path: Path) -> None:
    base = model(tmp_path / "base", {"tokenizer.json": "{}", "tokenizer_config.json": "{}"})
    other = model(tmp_path / "other", {"tokenizer.json": "{ }", "chat_template.jinja": "O"})
    same = model(tmp_path / "same", {"tokenizer.json": "{}", "chat_template.jinja": "S"})
    found = gathered(base, other, same)
    assert found.files["chat_template.jinja"] == b"S"
    assert found.sources["chat_template.jinja"] == "same"
    assert dict(found.left) == {}
    assert found.notes == (
        "base has no chat template; that of same, whose tokenizer is the same, was taken.",
    )
    found = gathered(base, other)
    assert "chat_template.jinja" not in found.files
    assert dict(found.left) == {
        "chat_template.jinja": "other has one, but its tokenizer differs from that of base"
    }


def test_a_template_inside_the_tokenizers_config_is_enough(tmp_path: Path) -> None:
    base = model(tmp_path / "base", {"tokenizer_config.json": '{"chat_template": "T"}'})
    same = model(tmp_path / "same", {"chat_template.jinja": "S"})
    assert sorted(gathered(base, same).files) == ["tokenizer_config.json"]


def test_links_out_of_the_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("key")
    folder = model(tmp_path / "m", {"inside.txt": "v"})
    (folder / "vocab.txt").symlink_to("inside.txt")
    (folder / "merges.txt").symlink_to("../secret")
    (folder / "vocab.json").symlink_to("vocab.json")
    os.mkfifo(folder / "added_tokens.json")
    (folder / "spiece.model").mkdir()
    found = gathered(folder)
    assert dict(found.files) == {"vocab.txt": b"v"}
    assert "link out" in found.left["merges.txt"]
    assert "cannot be read" in found.left["vocab.json"]
    assert "no regular file" in found.left["added_tokens.json"]
    assert sorted(found.left) == ["added_tokens.json", "merges.txt", "spiece.model", "vocab.json"]


def test_the_hubs_cache_may_link_to_its_blobs(tmp_path: Path) -> None:
    folder = model(tmp_path / "models--a--b" / "snapshots" / "abc", {})
    blobs = tmp_path / "models--a--b" / "blobs"
    blobs.mkdir()
    (blobs / "123").write_text("v")
    (tmp_path / "models--a--b" / "refs").write_text("x")
    (folder / "vocab.txt").symlink_to("../../blobs/123")
    (folder / "merges.txt").symlink_to("../../refs")
    found = gathered(folder)
    assert dict(found.files) == {"vocab.txt": b"v"}
    assert list(found.left) == ["merges.txt"]


def test_sizes_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (model(tmp_path / "m", {"vocab.txt": "v"}) / "tokenizer.json").open("wb") as file:
        file.truncate((64 << 20) + 1)
    found = gathered(tmp_path / "m")
    assert dict(found.left) == {"tokenizer.json": "it is larger than 64 MiB (in m)"}
    monkeypatch.setattr(export_basket, "MOST_TOGETHER", 5)
    found = gathered(model(tmp_path / "n", {"vocab.txt": "four", "merges.txt": "two"}))
    assert sorted(found.files) == ["vocab.txt"]
    assert "all files together" in found.left["merges.txt"]


def test_modules_of_sentence_transformers(tmp_path: Path) -> None:
    modules = [
        {"path": ""}, {"path": "1_Pooling"}, {"path": "2_Normalize"}, {"path": "../m2"},
        {"path": "3_Dense"}, 7,
    ]  # fmt: skip
    folder = model(
        tmp_path / "m",
        {"1_Pooling/config.json": "{}", "3_Dense/model.safetensors": b"w", "3_Dense/evil.py": "x"},
    )
    opened = open_folder(folder)
    (folder / "modules.json").write_text(json.dumps(modules))
    found = gather([opened])
    assert sorted(found.files) == [
        "1_Pooling/config.json", "3_Dense/model.safetensors", "modules.json",
    ]  # fmt: skip
    assert list(found.left) == ["module '../m2'"]
    assert found.notes == ("3_Dense/model.safetensors is a copy of m's, not merged.",)


@pytest.mark.parametrize("text", ["{", "[[", '{"path": 1}', "null", "[" * 100_000])
def test_modules_that_cannot_be_read_are_only_a_file(text: str, tmp_path: Path) -> None:
    opened = open_folder(model(tmp_path / "m", {}))
    (tmp_path / "m" / "modules.json").write_text(text)
    assert dict(gather([opened]).files) == {"modules.json": text.encode()}


def test_code_that_a_file_names_is_told(tmp_path: Path) -> None:
    text = '{"auto_map": {"AutoTokenizer": ["x.T", null]}}'
    found = gathered(model(tmp_path / "m", {"tokenizer_config.json": text}))
    assert found.files["tokenizer_config.json"] == text.encode()
    assert found.notes[0].startswith("tokenizer_config.json is kept as it was and names code")


def test_files_of_models_with_adapters_and_of_layers_are_those_of_what_lies_under(
    tmp_path: Path,
) -> None:
    one = open_folder(model(tmp_path / "one", {"vocab.txt": "one", "generation_config.json": "{}"}))
    two = open_folder(model(tmp_path / "two", {"vocab.txt": "two"}))
    changed = PatchedCheckpoint("one+lora", one, two, {}, {})
    cut = SlicedCheckpoint("mix", (), (changed, two), {})
    for view in (changed, cut):
        found = gather([view, two])
        assert dict(found.files) == {"vocab.txt": b"one", "generation_config.json": b"{}"}
        assert set(found.sources.values()) == {view.name}
    assert dict(gather([MemoryCheckpoint("m", {}), cut]).files)["vocab.txt"] == b"one"
