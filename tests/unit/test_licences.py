"""Licences: where they are found, of which kind they are, which of them fit together."""

import json
from pathlib import Path

import pytest
from builders import row
from safetensors.torch import save_file

from merging.checkpoints import MemoryCheckpoint, open_folder
from merging.checkpoints.folder import FolderCheckpoint
from merging.checkpoints.licence import licence_of, licences_of
from merging.checkpoints.patched import PatchedCheckpoint
from merging.checkpoints.sliced import SlicedCheckpoint
from merging.preflight import check
from merging.preflight.licences import kind_of, licences
from merging.recipe import make_recipe
from merging.sets import open_set


@pytest.mark.parametrize(
    ("licence", "kind"),
    [
        ("apache-2.0", "permissive"),
        ("mit", "permissive"),
        ("bsd-3-clause", "permissive"),
        ("cc-by-4.0", "permissive"),
        ("cc-by-sa-4.0", "share-alike"),
        ("gpl-3.0", "share-alike"),
        ("agpl-3.0", "share-alike"),
        ("cc-by-nc-4.0", "non-commercial"),
        ("cc-by-nc-sa-4.0", "non-commercial"),
        ("cc-by-nd-4.0", "no derivatives"),
        ("cc-by-nc-nd-4.0", "no derivatives"),
        ("llama3.1", "own terms"),
        ("gemma", "own terms"),
        ("creativeml-openrail-m", "own terms"),
        ("other", "own terms"),
        ("apache-2.0-but-not-really", "unknown"),
        ("", "unknown"),
    ],
)
def test_kind_of_a_licence(licence: str, kind: str) -> None:
    assert kind_of(licence) == kind


@pytest.mark.parametrize(
    ("text", "licence"),
    [
        ("---\nlicense: apache-2.0\n---\n", "apache-2.0"),
        ("---\r\nlicense: MIT # ours\r\n---\r\n", "mit"),
        ("---\ntags: [x]\nlicense:\n- cc-by-sa-4.0\n---\n", "cc-by-sa-4.0"),
        ("---\nlicense: [mit, gpl-3.0]\n---\n", ""),
        ("---\nlicense: a b <c>\n---\n", ""),
        ("---\na: &a 1\nlicense: *a\n---\n", ""),
        ("---\n- 1\n---\n", ""),
        ("\udcff", ""),
        ("---\nlicense: [llama3]\n---\n", "llama3"),
        ("license: mit\n", ""),
        ("---\nlicense: mit\n", ""),
        ("---\nx: &a [*a, *a]\nlicense: mit\n---\n", "mit"),
    ],
)
def test_licence_of_a_model_card(text: str, licence: str, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert licence_of(folder(tmp_path)) == licence


def folder(path: Path, **config: object) -> FolderCheckpoint:
    """A model of one number, with a config."""
    save_file({"w": row(1)}, path / "model.safetensors")
    (path / "config.json").write_text(json.dumps(config))
    return open_folder(path)


def test_the_card_counts_before_config_and_file(tmp_path: Path) -> None:
    (tmp_path / "LICENSE").write_text("Apache License\n  Version 2.0, January 2004")
    assert licence_of(folder(tmp_path)) == "apache-2.0"
    assert licence_of(folder(tmp_path, license="MIT")) == "mit"
    (tmp_path / "README.md").write_text("---\nlicense: gemma\n---\n")
    assert licence_of(folder(tmp_path, license="MIT")) == "gemma"
    assert licence_of(folder(tmp_path, license=["x", "y"])) == "gemma"
    assert licences_of(MemoryCheckpoint("m", {})) == {}


def test_a_link_out_of_the_folder_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "out.md").write_text("---\nlicense: mit\n---\n")
    inside = tmp_path / "m"
    inside.mkdir()
    (inside / "README.md").symlink_to(tmp_path / "out.md")
    assert licence_of(folder(inside)) == ""


def test_an_adapter_and_a_model_of_layers_have_the_licences_of_all_their_parts(
    tmp_path: Path,
) -> None:
    for name, said in (("a", "mit"), ("b", "gemma"), ("c", "gpl-3.0")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "README.md").write_text(f"---\nlicense: {said}\n---\n")
    a, b, c = (folder(tmp_path / n) for n in "abc")
    fine = PatchedCheckpoint("a+b", a, b, {}, {})
    both = SlicedCheckpoint("mix", (), (fine, c), {})
    assert licences_of(fine) == {"a": "mit", "b": "gemma"}
    assert licences_of(both) == {"a": "mit", "b": "gemma", "c": "gpl-3.0"}


def test_a_bundled_set_says_its_own_licence(capsys: pytest.CaptureFixture[str]) -> None:
    opened = open_set("bold")
    ids = list(opened.experts)
    recipe = make_recipe("task_arithmetic", ids, set="bold")
    bare = check(recipe, opened.base, opened.experts)
    assert bare.of("licence_unknown")
    names = {m.name: "Apache-2.0" for m in (opened.base, *opened.experts.values())}
    told = check(recipe, opened.base, opened.experts, known_licences=names)
    assert not [f for f in told.entries if f.code.startswith("licence")]


def codes(**known: str) -> list[str]:
    return [finding.code for finding in licences(known)]


def test_which_licences_fit_together() -> None:
    assert codes(a="mit", b="apache-2.0") == []
    assert codes(a="mit", b="") == ["licence_unknown"]
    assert codes(a="gpl-3.0", b="mit") == []
    assert codes(a="gpl-3.0", b="cc-by-sa-4.0") == ["licence_conflict"]
    assert codes(a="gpl-3.0", b="gpl-3.0") == []
    assert codes(a="cc-by-sa-4.0", b="cc-by-nc-4.0") == ["licence_publish", "licence_conflict"]
    assert codes(a="llama3", b="gemma") == ["licence_publish"] * 2 + ["licence_conflict"]
    assert codes(a="cc-by-nd-4.0") == ["licence_publish"]


def test_licences_never_block() -> None:
    found = licences({"a": "gpl-3.0", "b": "cc-by-nc-nd-4.0", "c": "", "d": "llama3"})
    assert {f.severity for f in found} == {"warns"}


def test_models_that_say_nothing_are_one_finding() -> None:
    (found,) = licences({"a": "", "b": "mit", "c": "", "d": ""})
    assert found.message.startswith("a, c and d state no licence that we find.")
    assert found.models == ("a", "c", "d") and "their sources" in found.remedy
