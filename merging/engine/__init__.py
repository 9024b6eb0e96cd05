"""Recipe to plan to outcome: the only place where methods meet checkpoints."""

from merging.engine.outcome import Outcome, TensorReport
from merging.engine.plan import Plan, Step, make_plan
from merging.engine.run import best_device, run

__all__ = ["Outcome", "Plan", "Step", "TensorReport", "best_device", "make_plan", "run"]
