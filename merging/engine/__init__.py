"""Recipe to plan to outcome: the only place where methods meet checkpoints."""

from merging.engine.devices import one_thread
from merging.engine.outcome import Outcome, TensorReport
from merging.engine.plan import Plan, Step, make_plan
from merging.engine.run import run

__all__ = [
    "Outcome",
    "Plan",
    "Step",
    "TensorReport",
    "make_plan",
    "one_thread",
    "run",
]
