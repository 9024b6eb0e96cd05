"""The method reference: current, complete, and written as it says."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from merging.cli import main
from merging.methods.arithmetic import weighted_sum
from merging.methods.params import WEIGHT, Param
from merging.methods.reference import reference
from merging.methods.registry import METHODS
from merging.methods.spec import MethodSpec, Needs, Source

DOCUMENT = Path(__file__).resolve().parents[2] / "assets" / "docs" / "methods.md"
MADE = MethodSpec(
    id="made",
    label="Made up",
    family="Tests",
    summary="Adds a|b.",
    idea="It shows every kind of line.",
    formula="θ = |θ₀| + λ Σ w·τᵢ",
    source=Source("Nobody 2020, Nothing", "2001.00001"),
    merge=weighted_sum,
    params=(
        Param("scale", "Strength λ", 0.00001, "Nobody 2020", "How far.", 0, 2, symbol="λ"),
        Param("rate", "Rate", 0.9, "ours", "Lost.", 0, 1, symbol="p", exclusive=True),
        Param("rounds", "Rounds", 3, "ours", "How often.", 1, 10**12, advanced=True),
        Param("side", "Side", "l|r", "ours", "Which.", choices=("l|r", "up"), per_expert=False),
        Param("flag", "Flag", False, "ours", "Whether."),
        Param("names", "Names", "", "ours", "Which names.", per_expert=False),
    ),
    needs=Needs(experts=2, most=3, data="gram"),
    scope=lambda settings: "model" if settings.flag("flag") else "element",
    dialects={
        "paper": {},
        "mergekit": {"flag": True, "scale": 0.5, "rate": 0.9},
        "peft": {"rate": 0.9},
    },
    random=True,
    symmetric=False,
    cost="nothing",
    differs="One says yes, one says no.",
)
WANT = """## Tests

### Made up

`made`: Adds a|b. It shows every kind of line.

```text
θ = |θ₀| + λ Σ w·τᵢ
```

Source: [Nobody 2020, Nothing](https://arxiv.org/abs/2001.00001)

| Parameter | Meaning | Default | Range or choices | Where the default comes from |
| --- | --- | --- | --- | --- |
| Weight w `weight` | WEIGHT_HELP May differ between experts. | 1 | -10 to 10 | WEIGHT_ORIGIN |
| Strength λ `scale` | How far. | 1e-5 | 0 to 2 | Nobody 2020 |
| Rate p `rate` | Lost. | 0.9 | 0 to below 1 | ours |
| Rounds `rounds` | How often. | 3 | whole numbers from 1 to 1e12 | ours |
| Side `side` | Which. | `l\\|r` | `l\\|r`, `up` | ours |
| Flag `flag` | Whether. | `false` | `true`, `false` | ours |
| Names `names` | Which names. | empty | text of at most 2000 characters | ours |

Needs: the base; two to three experts; Gram matrices of the inputs of linear layers, \
measured on data; a seed; the order of the experts counts.

Works on: each element alone; in dialect `mergekit` the whole model.

Cost: nothing.

Dialects, where their values are not the defaults:

- `mergekit`: `flag` `true`, `scale` 0.5
- `peft`: the same values

Implementations differ: One says yes, one says no.
"""


def entry(spec: MethodSpec) -> str:
    """What stands below the introduction, for one method."""
    return reference([spec]).partition("\n## ")[2].partition("\n\n")[2]


def test_the_page_in_the_app_is_current() -> None:
    assert DOCUMENT.read_text("utf-8") == reference(METHODS), (
        "Run: python -m merging docs --out assets/docs/methods.md"
    )


def test_the_command_writes_the_page_and_replaces_an_older_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "methods.md"
    out.write_text("old")
    assert main(["docs", "--out", str(out)]) == 0
    assert out.read_bytes() == reference(METHODS).encode()
    assert capsys.readouterr().out == f"wrote {out}: {len(METHODS)} methods\n"
    assert list(tmp_path.iterdir()) == [out]


def test_a_folder_that_is_not_there_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "none" / "methods.md"
    assert main(["docs", "--out", str(out)]) == 1
    assert f"error: Cannot write {str(out)!r}: No such file" in capsys.readouterr().err


def test_a_place_that_is_a_folder_is_left_alone(tmp_path: Path) -> None:
    out = tmp_path / "methods.md"
    out.mkdir()
    assert main(["docs", "--out", str(out)]) == 1
    assert list(tmp_path.iterdir()) == [out]


def test_every_line_of_a_method() -> None:
    want = WANT.replace("WEIGHT_HELP", WEIGHT.help).replace("WEIGHT_ORIGIN", WEIGHT.origin)
    page = reference([MADE])
    assert page.startswith("# Methods\n\n")
    assert page[page.index("## Tests") :] == want


def test_what_is_not_there_is_said_or_left_out() -> None:
    bare = replace(
        MADE,
        source=Source("A talk"),
        params=(),
        needs=Needs(base=False),
        space="weights",
        scope=lambda settings: "tensor",
        dialects={"paper": {}},
        weighted=False,
        random=False,
        symmetric=True,
        differs="",
    )
    assert entry(bare).endswith(
        "Source: A talk\n\nNo parameters.\n\n"
        "Needs: no base; one expert or more; no data; the order of the experts does not "
        "count.\n\nWorks on: one tensor at a time.\n\nCost: nothing.\n\nDialects: `paper` only.\n"
    )


def test_of_one_expert_no_order_is_told() -> None:
    one = replace(MADE, needs=Needs(experts=1, most=1), random=False)
    assert "\nNeeds: the base; one expert; no data.\n" in entry(one)


def test_a_base_that_depends_on_the_settings() -> None:
    either = replace(MADE, needs=Needs(base=False), space=lambda settings: "weights")
    assert "\nNeeds: the base where it works on task vectors; one expert or more;" in entry(either)


def test_families_keep_the_order_in_which_they_appear() -> None:
    others = [replace(MADE, id=i, label=i, family=f) for i, f in (("a", "F"), ("b", "G"))]
    last = replace(MADE, id="c", label="c", family="F")
    page = reference([*others, last])
    assert re.findall(r"^##+ (.+)$", page, re.M) == ["F", "a", "c", "G", "b"]


def test_every_method_stands_in_the_page_once_with_its_paper() -> None:
    page = reference(METHODS)
    assert re.findall(r"^`(\w+)`: ", page, re.M).count("ties") == 1
    assert sorted(re.findall(r"^`(\w+)`: ", page, re.M)) == sorted(m.id for m in METHODS)
    for spec in METHODS:
        if spec.source.arxiv:
            assert f"](https://arxiv.org/abs/{spec.source.arxiv})" in page


def test_rows_of_every_table_have_five_cells() -> None:
    rows = [line for line in reference(METHODS).splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {6}


@pytest.mark.parametrize("spec", METHODS, ids=lambda spec: spec.id)
def test_words_of_every_method(spec: MethodSpec) -> None:
    for sentence in (spec.summary, spec.idea):
        assert sentence[0].isupper()
        assert sentence[-1] in ".?"
        assert len(sentence) <= 160
    assert spec.formula.strip()
    assert re.fullmatch(r"(\d{4}\.\d{5})?", spec.source.arxiv)
    assert spec.source.citation.strip()
    assert spec.cost.strip()
    assert not spec.cost.endswith(".")
    assert not spec.differs or spec.differs.endswith(".")


@pytest.mark.parametrize("spec", METHODS, ids=lambda spec: spec.id)
def test_words_of_every_parameter(spec: MethodSpec) -> None:
    for param in (WEIGHT, *spec.params):
        assert re.match(r"[A-Z0-9].*\.$", param.help), param.name
        assert param.origin.strip()
        assert not param.origin.endswith("."), param.name
        assert "\n" not in param.help + param.origin
