"""Tasks, scores and their noise."""

from merging.evaluation.intervals import Bits, Comparison, Estimate, compare, normalised, wilson
from merging.evaluation.scoring import score, vision_model
from merging.evaluation.tasks import HALVES, Task, load_task

__all__ = [
    "HALVES",
    "Bits",
    "Comparison",
    "Estimate",
    "Task",
    "compare",
    "load_task",
    "normalised",
    "score",
    "vision_model",
    "wilson",
]
