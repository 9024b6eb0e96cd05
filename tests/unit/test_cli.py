"""The command line, from recipe file to a folder that transformers loads."""

import json
import math
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pytest
import torch
from builders import State
from safetensors.torch import load_file, save_file

from merging.checkpoints import FolderCheckpoint
from merging.checkpoints.buckets import Bucket
from merging.cli import main
from merging.cli.dialects import comparison_table
from merging.dialects import Comparison, Distance, Option
from merging.engine.estimate import Estimate
from merging.errors import Cancelled
from merging.methods.masks import HashMasks
from merging.recipe import make_recipe, parse_recipe

SUM = """format: merge-explorer/1
base: base
experts: [{id: one, weight: 0.5}, {id: two, weight: -0.25}]
method: task_arithmetic
params: {scale: 2}
"""


def weights(folder: Path) -> State:
    return load_file(folder / "model.safetensors")


def command(root: Path, recipe: str, out: Path) -> list[str]:
    path = out.parent / "recipe.yaml"
    path.write_text(recipe.replace(": base", f": {root}/base"))
    return ["merge", str(path), "--out", str(out), "--device", "cpu"]


def named(recipe: str, root: Path) -> str:
    """Experts by their absolute path."""
    return recipe.replace("id: one", f"id: {root}/one").replace("id: two", f"id: {root}/two")


def test_transformers_loads_what_was_merged(family: Path, tmp_path: Path) -> None:
    from transformers import AutoModel

    out = tmp_path / "out"
    assert main(command(family, named(SUM, family), out)) == 0
    base, one, two = (weights(family / n) for n in ("base", "one", "two"))
    want = {n: base[n] + 2 * (0.5 * (one[n] - base[n]) - 0.25 * (two[n] - base[n])) for n in base}
    written = weights(out)
    assert written.keys() == want.keys()
    assert all(torch.allclose(written[n], want[n], atol=1e-6) for n in want)
    options: dict[str, Any] = {"output_loading_info": True}
    if "vit" in str(family):
        options["add_pooling_layer"] = False
    model, info = AutoModel.from_pretrained(out, **options)
    assert not any(info[k] for k in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    # Transformers renames tensors while it loads; writing turns the names back.
    model.save_pretrained(tmp_path / "again")
    loaded = weights(tmp_path / "again")
    assert loaded.keys() == want.keys()
    assert all(torch.allclose(loaded[n], t, atol=1e-6) for n, t in want.items())


def test_dare_drops_the_entries_of_its_hash(vit_family: Path, tmp_path: Path) -> None:
    """At a drop rate of 3/4 what is kept counts four times; which ones, the seed says."""
    name = f"{vit_family}/one"
    recipe = (
        f"format: merge-explorer/1\nbase: base\nexperts: ['{name}']\nmethod: dare\nseed: 5\n"
        "params: {drop_rate: 0.75, scale: 1}\n"
    )
    assert main(command(vit_family, recipe, tmp_path / "out")) == 0
    base, one = weights(vit_family / "base"), weights(vit_family / "one")
    for tensor, found in weights(tmp_path / "out").items():
        kept = HashMasks(5).keep(tensor, name, 0, found.numel(), 0.75).reshape(found.shape)
        want = base[tensor] + 4 * kept * (one[tensor] - base[tensor])
        assert torch.allclose(found, want, atol=1e-6)


def test_paths_are_relative_to_the_recipe(
    vit_family: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(vit_family, tmp_path / "models")
    (tmp_path / "models" / "mix.yaml").write_text(SUM)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert main(["merge", "../models/mix.yaml", "--out", "out"]) == 0
    written = Path("out/recipe.yaml").read_text("utf-8")
    assert parse_recipe(written) == parse_recipe(SUM)
    home = str(tmp_path / "models")
    assert written.startswith(f"# Paths count from {home!r}: merge again from there.\n")


def test_an_average_needs_no_base(vit_family: Path, tmp_path: Path, capsys: Any) -> None:
    recipe = "format: merge-explorer/1\nexperts: [{id: one}, {id: two}]\nmethod: linear\n"
    assert main(command(vit_family, named(recipe, vit_family), tmp_path / "out")) == 0
    one, two, out = (weights(p) for p in (vit_family / "one", vit_family / "two", tmp_path / "out"))
    assert all(torch.allclose(out[n], (one[n] + two[n]) / 2, atol=1e-6) for n in one)
    assert f"{len(one)} tensors merged, 0 copied or left out" in capsys.readouterr().out


def test_shards_are_read(vit_family: Path, tmp_path: Path) -> None:
    shutil.copytree(vit_family, tmp_path / "models")
    base = weights(vit_family / "base")
    folder = tmp_path / "models" / "base"
    (folder / "model.safetensors").unlink()
    names = sorted(base)
    for file, part in (("one.safetensors", names[::2]), ("two.safetensors", names[1::2])):
        save_file({n: base[n] for n in part}, folder / file)
    index = ", ".join(f'"{n}": "{("one", "two")[i % 2]}.safetensors"' for i, n in enumerate(names))
    (folder / "model.safetensors.index.json").write_text(f'{{"weight_map": {{{index}}}}}')
    (tmp_path / "models" / "mix.yaml").write_text(SUM)
    assert main(["merge", str(tmp_path / "models" / "mix.yaml"), "--out", str(tmp_path / "a")]) == 0
    assert main(command(vit_family, named(SUM, vit_family), tmp_path / "b")) == 0
    assert all(torch.equal(weights(tmp_path / "a")[n], weights(tmp_path / "b")[n]) for n in names)


# --- Refused --------------------------------------------------------------------------------------


def refused(capsys: Any, arguments: list[str], out: Path) -> str:
    before = sorted(out.parent.iterdir())
    assert main(arguments) == 1
    assert sorted(out.parent.iterdir()) == before
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert "Traceback" not in captured.err
    return str(captured.err)


def test_a_folder_in_use(vit_family: Path, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("precious")
    arguments = command(vit_family, named(SUM, vit_family), tmp_path / "out")
    assert "exists already" in refused(capsys, arguments, tmp_path / "out")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("task_arithmetic", "tsak_arithmetic", "Did you mean 'task_arithmetic'"),
        ("scale: 2", "scale: 20", "scale is 20; it must be at least -10 and at most 10"),
        ("base: base\n", "", "needs a base model"),
        ("id: two", "id: none", "there is no folder"),
        ("id: two", "id: " + "x" * 400, "there is no folder"),
        ("experts", "models", "Did you mean 'experts'"),
        ("base: base", "set: nonsense", "Unknown set 'nonsense'"),
    ],
)
def test_recipes_that_are_refused(
    old: str, new: str, message: str, vit_family: Path, tmp_path: Path, capsys: Any
) -> None:
    recipe = SUM.replace(old, new)
    arguments = command(vit_family, named(recipe, vit_family), tmp_path / "out")
    assert message in refused(capsys, arguments, tmp_path / "out")


def test_a_recipe_that_is_not_there(tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "out"
    for path in (tmp_path / "none.yaml", tmp_path):
        arguments = ["merge", str(path), "--out", str(out)]
        assert "Cannot read the recipe" in refused(capsys, arguments, out)
    (tmp_path / "latin").write_bytes(b"\xff\xfe")
    arguments = ["merge", str(tmp_path / "latin"), "--out", str(out)]
    assert "is not text. Give a recipe in YAML." in refused(capsys, arguments, out)


def test_models_that_do_not_fit(vit_family: Path, tmp_path: Path, capsys: Any) -> None:
    shutil.copytree(vit_family, tmp_path / "models")
    path = tmp_path / "models" / "two" / "model.safetensors"
    state = load_file(path)
    name = sorted(state)[0]
    save_file(state | {name: torch.zeros(5)}, path)
    (tmp_path / "models" / "mix.yaml").write_text(SUM)
    arguments = ["merge", str(tmp_path / "models" / "mix.yaml"), "--out", str(tmp_path / "out")]
    message = refused(capsys, arguments, tmp_path / "out")
    assert f"'{name}' is" in message
    assert "in base and 5 in two" in message


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (Cancelled("stop"), 1)])
def test_interrupted(
    error: BaseException, code: int, vit_family: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: Any,
) -> None:  # fmt: skip
    def stop(*_: Any) -> None:
        raise error

    monkeypatch.setattr(FolderCheckpoint, "load", stop)
    arguments = command(vit_family, named(SUM, vit_family), tmp_path / "out")
    assert main(arguments) == code
    assert [p.name for p in tmp_path.iterdir()] == ["recipe.yaml"]
    assert capsys.readouterr().err != ""


@pytest.mark.parametrize("arguments", [[], ["merge"], ["merge", "a.yaml"], ["mix"]])
def test_wrong_usage(arguments: list[str], capsys: Any) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: python -m merging" in capsys.readouterr().err


# --- Plan, diagnose and what all commands share ---------------------------------------------------


def test_a_recipe_of_mergekit_is_merged(vit_family: Path, tmp_path: Path, capsys: Any) -> None:
    """Weights vote and divide: where both agree the result is (2 one + two) / 3 of the changes."""
    recipe = f"""models:
  - model: {vit_family}/base
  - {{model: {vit_family}/one, parameters: {{weight: 2}}}}
  - model: {vit_family}/two
merge_method: ties
base_model: {vit_family}/base
parameters: {{weight: 1, normalize: true}}
"""
    assert main(command(vit_family, recipe, tmp_path / "out")) == 0
    base, one, two = (weights(vit_family / n) for n in ("base", "one", "two"))
    for name, found in weights(tmp_path / "out").items():
        first, second = one[name] - base[name], two[name] - base[name]
        together = base[name] + (2 * first + second) / 3
        alone = base[name] + torch.where((2 * first).abs() > second.abs(), first, second)
        want = torch.where(first.sign() == second.sign(), together, alone)
        assert torch.allclose(found, want, atol=1e-5)
    assert parse_recipe((tmp_path / "out" / "recipe.yaml").read_text()).dialect == "mergekit"
    assert capsys.readouterr().out.startswith(f"wrote {tmp_path / 'out'}: ")


def test_progress_and_result_for_machines(vit_family: Path, tmp_path: Path, capsys: Any) -> None:
    arguments = command(vit_family, named(SUM, vit_family), tmp_path / "out")
    assert main([*arguments, "--json"]) == 0
    shown = capsys.readouterr()
    done = json.loads(shown.out)
    assert shown.out.count("\n") == 1
    count = len(weights(tmp_path / "out"))
    assert (done["merged"], done["copied"], done["left_out"]) == (count, 0, 0)
    assert (done["folder"], done["device"]) == (str(tmp_path / "out"), "cpu")
    report = json.loads((tmp_path / "out" / "merge_report.json").read_text())
    assert done["recipe"] == report["recipe"]
    lines = [json.loads(line) for line in shown.err.splitlines()]
    size = sum(t.nbytes for t in weights(tmp_path / "out").values())
    assert lines[-1]["progress"] == 1
    assert lines[-1]["bytes"] == lines[-1]["of"] == 4 * size  # three models read, one written


@pytest.mark.parametrize("quiet", [True, False])
def test_progress_in_plain_lines_or_none(
    quiet: bool, vit_family: Path, tmp_path: Path, capsys: Any
) -> None:
    arguments = command(vit_family, named(SUM, vit_family), tmp_path / "out")
    assert main(arguments + ["--quiet"] * quiet) == 0
    told = capsys.readouterr().err.splitlines()
    assert len(told) <= (0 if quiet else 10)
    assert quiet or re.fullmatch(r"100%  .* of .*B/s  in 0\.\d s  merged", told[-1])


def test_errors_for_machines(tmp_path: Path, capsys: Any) -> None:
    arguments = ["merge", str(tmp_path / "none"), "--out", str(tmp_path / "out"), "--json"]
    assert main(arguments) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    told = json.loads(shown.err)
    assert (told["error"], told["message"][:22]) == ("SourceError", "Cannot read the recipe")


def test_a_budget_that_is_too_small(vit_family: Path, tmp_path: Path, capsys: Any) -> None:
    arguments = command(vit_family, named(SUM, vit_family), tmp_path / "out")
    message = refused(capsys, [*arguments, "--memory", "100MB"], tmp_path / "out")
    assert "GB of memory, and 0.10 GB are allowed" in message


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--memory", "4"], "argument --memory: '4': it has no unit"),
        (["--device", "tpu"], "argument --device: 'tpu' is no device. Choose auto, cpu or cuda."),
        (["--device", "cuda:x"], "'cuda:x' is no device"),
        (["--threads", "0"], "argument --threads: '0' must be a whole number of at least 1"),
        (["--threads", "many"], "'many' must be a whole number"),
    ],
)
def test_options_that_are_wrong_usage(option: list[str], message: str, capsys: Any) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["plan", "recipe.yaml", *option])
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_threads_are_set_while_a_command_runs(
    vit_family: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    used: list[int] = []
    monkeypatch.setattr(torch, "get_num_threads", lambda: 5)
    monkeypatch.setattr(torch, "set_num_threads", used.append)
    arguments = command(vit_family, named(SUM, vit_family), tmp_path / "out")
    plan = ["plan", arguments[1], "--json", "--threads"]
    assert main([*plan, "3"]) == 0
    assert json.loads(capsys.readouterr().out)["workers"] == 3
    assert main(["plan", str(tmp_path / "none"), "--threads", "2"]) == 1
    assert used == [3, 5, 2, 5]


def test_a_plan_is_told_before_any_work(vit_family: Path, tmp_path: Path, capsys: Any) -> None:
    path = command(vit_family, named(SUM, vit_family), tmp_path / "out")[1]
    assert main(["plan", path, "--device", "cpu", "--threads", "2", "--memory", "100MB"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    count = len(weights(vit_family / "base"))
    assert head == "Task arithmetic (paper), 2 expert(s)"
    assert [row.split()[0] for row in rows] == [
        *("tensors", "passes", "reads", "writes", "memory", "pieces", "time", "device")
    ]
    assert rows[0].endswith(f"{count}: {count} merged, 0 copied, 0 left out")
    assert rows[4].endswith("MB of 100 MB, which is too little")
    assert rows[5].endswith("weights at a time, 2 worker(s)")
    assert rows[7].endswith("cpu: asked for")
    assert [p.name for p in tmp_path.iterdir()] == ["recipe.yaml"]


def test_a_plan_for_machines(tmp_path: Path, capsys: Any) -> None:
    recipe = "format: merge-explorer/1\nset: gentle\nexperts: [digits, fashion]\nmethod: ties\n"
    path = written(tmp_path / "recipe.yaml", recipe)
    assert main(["plan", path, "--json", "--device", "cpu", "--memory", "4GiB"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["recipe"] == parse_recipe(recipe).key()
    assert (told["method"], told["dialect"], told["experts"]) == ("ties", "paper", 2)
    assert told["tensors"] == told["merged"] + told["copied"] + told["left_out"]
    assert (told["passes"], told["streams"]) == (3, True)
    assert (told["budget"], told["fits"]) == (4 << 30, True)
    assert told.keys() >= {f.name for f in fields(Estimate)}


@dataclass(frozen=True)
class Figures:
    """Stands in for a preview."""

    cells: dict[Bucket, float]
    experts: tuple[str, ...]


@pytest.fixture
def sketched(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sketch and a preview that tell what they were given."""

    def build(base: Any, experts: Any, progress: Any) -> tuple[str, ...]:
        progress(1.0, "sketched")
        return (Path(base.name).name, *experts)

    def look(sketch: tuple[str, ...], recipe: Any) -> Figures:
        return Figures({Bucket("L3", "up"): 0.25}, (*sketch, recipe.method))

    monkeypatch.setattr("merging.sketch.build_sketch", build)
    monkeypatch.setattr("merging.sketch.preview", look)


def test_a_diagnosis_needs_a_base(vit_family: Path, tmp_path: Path, capsys: Any) -> None:
    recipe = f"format: merge-explorer/1\nexperts: ['{vit_family}/one']\nmethod: linear\n"
    assert main(["diagnose", written(tmp_path / "recipe.yaml", recipe)]) == 1
    assert "diagnose looks at changes from a base" in capsys.readouterr().err


def figure(value: float, basis: int) -> dict[str, Any]:
    return {
        "value": pytest.approx(value),
        "low": pytest.approx(value),
        "high": pytest.approx(value),
        "exact": True,
        "basis": basis,
        "too_few": basis < 50,
    }


def by_hand(folder: Path) -> str:
    """Of 100 weights both experts raise 60, 30 are raised by one and lowered by the other."""
    one, two = torch.zeros(100), torch.zeros(100)
    one[:95], two[:60], two[60:90] = 1.0, 1.0, -1.0
    for name, change in (("base", torch.zeros(100)), ("one", one), ("two", two)):
        (folder / name).mkdir()
        save_file({"layers.0.mlp.fc1.weight": change}, folder / name / "model.safetensors")
    text = "format: merge-explorer/1\nbase: base\nexperts: [one, two]\nmethod: task_arithmetic\n"
    return written(folder / "recipe.yaml", text + "params: {scale: 0.5}\n")


def test_what_a_recipe_does_is_diagnosed(tmp_path: Path, capsys: Any) -> None:
    path = by_hand(tmp_path)
    assert main(["diagnose", path, "--json", "--quiet"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["method"], told["dialect"]) == ("task_arithmetic", "paper")
    cell = told["cells"]["L0 up"]
    for where in (told, cell):
        assert where["agree"] == figure(0.6, 100)
        assert where["contested"] == figure(0.3, 100)
        assert where["disjoint"] == figure(0.05, 100)
        assert where["untouched"] == figure(0.05, 100)
        assert where["share"] == figure(1 / 3, 90)
        assert where["chance"] == figure(0.5, 90)
    assert told["norm"]["value"] == pytest.approx((60 * 1 + 5 * 0.25) ** 0.5)
    assert told["experts"]["one"]["kept"]["value"] == 1.0
    assert told["flips"] is None
    assert told["inert"] == [{"control": "seed", "expert": ""}]  # nothing is drawn


def test_a_diagnosis_for_people(tmp_path: Path, capsys: Any) -> None:
    path = by_hand(tmp_path)
    assert main(["diagnose", path, "--quiet"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].startswith("task_arithmetic (paper), recipe ")
    rows = [line.split() for line in shown]
    assert ["L0", "up", "60.0", "5.0", "30.0", "5.0", "33.3", "50.0"] in rows
    assert ["one", "100.0", "100.0", "-"] in rows


def test_a_diagnosis_against_another_recipe(tmp_path: Path, capsys: Any) -> None:
    """Turning both weights round turns every merged sign; a recipe of other experts is refused."""
    path = by_hand(tmp_path)
    text = (
        Path(path)
        .read_text()
        .replace("[one, two]", "[{id: one, weight: -1.0}, {id: two, weight: -1.0}]")
    )
    other = written(tmp_path / "other.yaml", text)
    assert main(["diagnose", path, "--against", other, "--json", "--quiet"]) == 0
    assert json.loads(capsys.readouterr().out)["flips"]["value"] == pytest.approx(0.65)
    strange = written(tmp_path / "strange.yaml", text.replace("id: two", "id: base"))
    assert main(["diagnose", path, "--against", strange]) == 1
    assert "has an expert 'base' that" in capsys.readouterr().err


def test_help_says_the_exit_codes(capsys: Any) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    assert all(f"    {code}: " in shown for code in (0, 1, 2, 130))
    assert all(f"    {name} " in shown for name in ("merge", "plan", "diagnose", "dialects"))


def test_help_and_usage_need_no_torch() -> None:
    """A mistake on the command line is told at once, not after a second of imports."""
    code = (
        "import sys; from merging.cli import main\n"
        "try: main(['merge'])\nexcept SystemExit: print('torch' in sys.modules)"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "False\n"


# --- Dialects -------------------------------------------------------------------------------------


def written(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def test_dialects_of_a_bundled_set_are_told(tmp_path: Path, capsys: Any) -> None:
    recipe = """format: merge-explorer/1
set: gentle
experts: [{id: digits, weight: 1.0}, {id: fashion, weight: -0.5}]
method: ties
params: {density: 1.0, voters: unweighted, scale: 0.3}
"""
    path = written(tmp_path / "recipe.yaml", recipe)
    assert main(["dialects", path, "--device", "cpu"]) == 0
    first, second, third = capsys.readouterr().out.strip().split("\n\n")
    assert first.splitlines()[0] == "TIES: paper against mergekit"
    assert "  combine: mean here, weighted_mean there" in first
    assert "  refused: A weight is -0.5, and combine weighted_mean divides" in first
    head, *rows = third.splitlines()
    assert head == "TIES: paper against fusion_bench"
    assert rows[0] == "  combine: mean here, sum there"
    assert rows[1].split() == ["difference", "largest", "signs"]
    assert re.fullmatch(r"  whole model +\d+\.\d\d% +\d\.\d\de[-+]\d\d +0\.00%", rows[2])
    assert "against peft" in second


def test_dialects_of_folders_are_told(family: Path, tmp_path: Path, capsys: Any) -> None:
    text = named(SUM, family).replace(": base", f": {family}/base")
    path = written(tmp_path / "recipe.yaml", text)
    assert main(["dialects", path, "--device", "cpu"]) == 0
    shown = capsys.readouterr().out
    assert "Task arithmetic: paper against mergekit\n  no option differs" in shown
    assert len(shown.splitlines()) == 3 * (4 + len(weights(family / "base"))) + 2


def test_a_distance_is_no_share_of_a_change_that_is_none() -> None:
    gap = Distance(math.inf, 1.5, 1.0, 4)
    found = Comparison("mergekit", (Option("scale", 0.0, 1.0),), {"w": gap}, gap)
    recipe = make_recipe("ties", ["a"])
    assert comparison_table(recipe, (found,)).splitlines() == [
        "TIES: paper against mergekit",
        "  scale: 0.0 here, 1.0 there",
        "                difference    largest    signs",
        "  whole model    no change   1.50e+00  100.00%",
        "  w              no change   1.50e+00  100.00%",
    ]


def test_a_method_with_one_dialect_says_so(tmp_path: Path, capsys: Any) -> None:
    recipe = "format: merge-explorer/1\nset: gentle\nexperts: [digits]\nmethod: wise_ft\n"
    assert main(["dialects", written(tmp_path / "recipe.yaml", recipe)]) == 0
    assert capsys.readouterr().out == "WiSE-FT has one dialect only: paper.\n"


def test_dialects_for_machines(tmp_path: Path, capsys: Any) -> None:
    recipe = "format: merge-explorer/1\nset: gentle\nexperts: [digits]\nmethod: task_arithmetic\n"
    path = written(tmp_path / "recipe.yaml", recipe)
    assert main(["dialects", path, "--json", "--quiet", "--device", "cpu"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [other["dialect"] for other in told["others"]] == ["mergekit", "peft", "fusion_bench"]
    assert told["others"][0]["options"] == [{"name": "scale", "ours": 0.3, "theirs": 1.0}]
    assert told["others"][0]["whole"]["relative"] == pytest.approx(0.7 / 0.3)


def test_dialects_of_a_recipe_that_is_not_there(tmp_path: Path, capsys: Any) -> None:
    assert main(["dialects", str(tmp_path / "none.yaml")]) == 1
    assert "Cannot read the recipe" in capsys.readouterr().err
