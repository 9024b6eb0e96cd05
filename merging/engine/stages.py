"""What trimmed deltas depend on, so that a change of anything else need not trim again.

A kernel that is handed an empty stack reads the settings that it would read for any other. Those,
the models and the seed, where it draws, make the key; a weight or λ is in it only where it acts
before or in the trim.
"""

import json
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

import torch
from torch import Tensor

from merging.engine.beyond import Noted, ask
from merging.engine.job import Job
from merging.methods.context import Context, Settings
from merging.methods.masks import HashMasks
from merging.recipe.local import told as told_local


@dataclass(slots=True)
class Drawn:
    """Masks that note whether any are asked for."""

    drawn: bool = False

    def keep(
        self, tensor: str, expert: str, start: int, count: int, drop_rate: float | Tensor
    ) -> Tensor:
        """Keep everything."""
        self.drawn = True
        return torch.ones(count, dtype=torch.bool)


def stage_key(job: Job, told: Context) -> str:
    """Return the hash of all that a merge's trimmed deltas depend on; "" where that is not known.

    Args:
        job: With its plan and masks.
        told: What its kernels are told.
    """
    if not isinstance(job.masks, HashMasks):
        return ""
    plan, spec = job.plan, job.plan.recipe.spec
    settings = told.settings
    common, each, masks = Noted(settings.common), Noted(settings.each), Drawn()
    noting = Settings(common, each, settings.dialect)
    steps = [step for step in (spec.sparsify, spec.trim) if step is not None]
    for step in steps:
        ask(step, replace(told, settings=noting, masks=masks))
    models = [plan.base, *plan.experts]
    facts: dict[str, Any] = {
        "models": [None if m is None else m.mark() for m in models],
        "experts": told.experts,
        "space": spec.space_of(settings),
        "scope": spec.scope(settings) if steps else "element",
        "steps": [f"{s.__module__}.{s.__qualname__}" for s in steps],
        "settings": {n: settings.common[n] for n in sorted(common.read)},
        "each": {n: settings.each[n] for n in sorted(each.read)},
        "seed": job.masks.seed if masks.drawn else None,
        "chunk": job.chunk,
    }
    if plan.local:
        read = common.read | each.read
        facts["local"] = [e for e in told_local(plan.recipe.local) if e["param"] in read]
    return sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
