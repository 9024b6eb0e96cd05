"""Merge into a folder, tensors going to disk as they are made."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import torch
from torch import Tensor

from merging.checkpoints.base import Checkpoint
from merging.engine.chunks import CHUNK
from merging.engine.estimate import check_budget, estimate
from merging.engine.job import Job
from merging.engine.outcome import Outcome
from merging.engine.output import SHARD_BYTES, files_of, homes_of, metadata_of, write_model
from merging.engine.plan import Plan
from merging.engine.reading import Progress, Scorer
from merging.engine.run import computing, fill, report_of, run
from merging.engine.shards import Slot
from merging.engine.sink import outputs_of
from merging.engine.writer import FolderWriter
from merging.export import Extras
from merging.methods.context import Statistics
from merging.methods.masks import HashMasks


@dataclass(frozen=True, slots=True)
class ToFolder:
    """A sink that writes a model folder; memory for what is made comes from here."""

    writer: FolderWriter
    slots: Mapping[str, Slot]

    @property
    def done(self) -> frozenset[str]:
        """Tensors that an interrupted run finished."""
        return self.writer.done

    def room(self, name: str, start: int, count: int) -> Tensor:
        """Return new memory; it belongs to the writer once written."""
        return torch.empty(count, dtype=self.slots[name].dtype)

    def write(self, name: str, start: int, values: Tensor) -> None:
        """Take elements; see ``Sink``."""
        self.writer.write(name, start, values)


def commit(
    plan: Plan,
    folder: Path,
    progress: Progress = lambda fraction, message: None,
    device: str | None = None,
    *,
    statistics: Statistics | None = None,
    scorer: Scorer | None = None,
    memory: int | None = None,
    threads: int | None = None,
    relative_to: str = "",
    shard_bytes: int = SHARD_BYTES,
    extras: Extras | None = None,
) -> Outcome:
    """Merge into a model folder.

    The folder appears when it is complete. A merge that was killed goes on from its finished
    shards when it is begun again; one that is cancelled or fails leaves nothing.

    Args:
        plan: What to do.
        folder: Must not exist, or be empty.
        progress: Called with the share done, from 0 to 1, and a word; it may raise ``Cancelled``.
        device: Where to compute: cpu, cuda (all GPUs) or cuda:1; by default where it is faster.
        statistics: What methods such as Fisher averaging need to have measured.
        scorer: Returns how good a model is, for methods that choose; higher is better.
        memory: Budget in bytes, or None for none.
        threads: Threads to compute with; as many as torch may use by default.
        relative_to: Folder from which the recipe's paths count, told in the written recipe.
        shard_bytes: Most bytes of tensors in a file.
        extras: What is known besides: scores, licences, files from elsewhere. Tokenizer and other
            files come from the base, or else from the first expert that has them.

    Returns:
        The outcome, its tensors in ``folder``.

    Raises:
        SourceError: The folder is in use or cannot be made, or a model was changed meanwhile.
        ResourceError: The budget is too small (told before any work), memory ran out, or the
            disk is full.
        CompatibilityError: A weight is not finite, or the result does not fit the output type.
        Cancelled: As raised by ``progress``.
    """
    told = estimate(plan, device, memory, threads)
    check_budget(told, memory)
    models = tuple(m for m in (plan.base, *plan.experts) if m is not None)
    if plan.recipe.spec.whole is not None:
        outcome = run(plan, progress, device, statistics=statistics, scorer=scorer)
        config = plan.reference.config()
        return write_model(
            outcome, config, folder, relative_to, shard_bytes, models=models, extras=extras
        )
    masks = HashMasks(plan.recipe.seed, told.device)
    chunk = told.chunk if told.streams else CHUNK
    job = Job(plan, told.device, masks, statistics, scorer, progress, None, threads, chunk)
    return _streamed(job, folder, models, relative_to, shard_bytes, extras)


def _streamed(
    job: Job,
    folder: Path,
    models: tuple[Checkpoint, ...],
    relative_to: str,
    shard_bytes: int,
    extras: Extras | None,
) -> Outcome:
    """Merge tensor by tensor into files."""
    plan, begin = job.plan, time.perf_counter()
    config, slots = plan.reference.config(), outputs_of(plan)
    known, about = list(slots.values()), metadata_of(plan.recipe)
    homes = homes_of(models)
    into = FolderWriter(folder, known, _key(plan), about, shard_bytes=shard_bytes, homes=homes)
    with into as writer:
        with computing(job):
            notes = fill(job, ToFolder(writer, slots))
        outcome = Outcome(
            recipe=plan.recipe,
            tensors={},
            report=report_of(plan, slots, notes),
            seconds=time.perf_counter() - begin,
            device=job.device,
            folder=folder,
        )
        job.progress(1.0, "merged")
        writer.finish(files_of(outcome, known, config, relative_to, models, extras))
    return outcome


def _key(plan: Plan) -> str:
    """Hash of all that decides the output: finished shards of another merge are of no use."""
    marks = [plan.recipe.key(), *(m.mark() for m in (plan.base, *plan.experts) if m is not None)]
    return sha256("\n".join(marks).encode()).hexdigest()[:16]
