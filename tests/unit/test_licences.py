"""Licences: where they are found, of which kind they are, which of them fit together."""

from pathlib import Path

import pytest

from merging.preflight.licences import kind_of, licence_of, licences


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
        ("---\nlicense: [llama3]\n---\n", "llama3"),
        ("license: mit\n", ""),
        ("---\nlicense: mit\n", ""),
        ("---\nx: &a [*a, *a]\nlicense: mit\n---\n", "mit"),
    ],
)
def test_licence_of_a_model_card(text: str, licence: str, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(text)
    assert licence_of(tmp_path, {}) == licence


def test_the_card_counts_before_config_and_file(tmp_path: Path) -> None:
    (tmp_path / "LICENSE").write_text("Apache License\n  Version 2.0, January 2004")
    assert licence_of(tmp_path, {}) == "apache-2.0"
    assert licence_of(tmp_path, {"license": "MIT"}) == "mit"
    (tmp_path / "README.md").write_text("---\nlicense: gemma\n---\n")
    assert licence_of(tmp_path, {"license": "MIT"}) == "gemma"
    assert licence_of(tmp_path, {"license": ["x"]}) == "gemma"


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
