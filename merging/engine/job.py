"""What every part of one merge shares."""

from dataclasses import dataclass

from merging.engine.cache import Intermediates
from merging.engine.chunks import CHUNK
from merging.engine.plan import Plan
from merging.engine.reading import Progress, Scorer
from merging.methods.context import Masks, Statistics

FROZEN = "equal in all models, so there is no change to merge"


@dataclass(frozen=True, slots=True)
class Job:
    """One merge.

    Attributes:
        plan: What to do.
        device: Where to compute, "cpu" or a CUDA device.
        masks: Random masks.
        statistics: What was measured on data, or None.
        scorer: Returns how good a model is, or None.
        progress: Told the share done and a word; it may raise ``Cancelled``.
        cache: Where intermediate results are kept for the next merge, or None.
        threads: Threads to compute with, or None for as many as torch may use.
        chunk: Most elements that are worked on at a time by each thread.
    """

    plan: Plan
    device: str
    masks: Masks
    statistics: Statistics | None = None
    scorer: Scorer | None = None
    progress: Progress = lambda fraction, message: None
    cache: Intermediates | None = None
    threads: int | None = None
    chunk: int = CHUNK
