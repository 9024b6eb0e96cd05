"""Run merges of mergekit and peft. Started by the other interpreter, which has both.

Usage: python other_side.py JOBS.json

A job is ``{"id", "kind": "mergekit", "config", "out"}``, merged into the folder ``out``, or
``{"id", "kind": "peft", "function", "options", "tensors", "out"}``: a function of
``peft.utils.merge_utils`` over the task vectors ``NAME/0``, ``NAME/1``, ... of a file. Beside the
jobs, ``done.json`` says for each job "" or what went wrong.
"""

import json
import sys
import traceback
from pathlib import Path
from typing import Any


def mergekit(job: dict[str, Any]) -> None:
    from mergekit.config import MergeConfiguration
    from mergekit.merge import run_merge
    from mergekit.options import MergeOptions

    options = MergeOptions(
        copy_tokenizer=False, write_model_card=False, quiet=True, device="cpu", random_seed=0
    )
    run_merge(MergeConfiguration.model_validate(job["config"]), job["out"], options)


def peft(job: dict[str, Any]) -> None:
    import torch
    from peft.utils import merge_utils
    from safetensors.torch import load_file, save_file

    stored = load_file(job["tensors"])
    options = dict(job["options"])
    options["weights"] = torch.tensor(options["weights"])
    names = sorted({key.rpartition("/")[0] for key in stored})
    count = len(options["weights"])
    merge = getattr(merge_utils, job["function"])
    found = {n: merge([stored[f"{n}/{i}"] for i in range(count)], **options) for n in names}
    save_file(found, job["out"])


def main(path: Path) -> None:
    done = {}
    for job in json.loads(path.read_text()):
        try:
            {"mergekit": mergekit, "peft": peft}[job["kind"]](job)
            done[job["id"]] = ""
        except Exception:
            done[job["id"]] = traceback.format_exc(limit=-3)
    (path.parent / "done.json").write_text(json.dumps(done))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
