"""Cases that name no models: a function of ours against one of the reference's."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from merging.analysis.representation import debiased_cka, linear_cka
from merging.conformance.task import Found
from merging.errors import RecipeError
from merging.methods.darex import analytic_q

Direct = Callable[[Mapping[str, Any], Mapping[str, Tensor]], Found]


def _analytic(case: Mapping[str, Any], stored: Mapping[str, Tensor]) -> Found:
    params = case["params"]
    rows = analytic_q(stored["c"], params["p"], params["eta"], params["prob"], params["stop_iter"])
    return {"q_per_row": rows.reshape(stored["q_per_row"].shape)}


def _cka(case: Mapping[str, Any], stored: Mapping[str, Tensor]) -> Found:
    x, y = stored["X"], stored["Y"]
    return {"cka": linear_cka(x, y), "cka_debiased": debiased_cka(x, y)}


DIRECT: Mapping[str, Direct] = {"cka": _cka, "darex_q": _analytic}


def direct(case: Mapping[str, Any], stored: Mapping[str, Tensor]) -> Found | None:
    """Return what our function gives for a case without models, or None for other cases.

    Raises:
        RecipeError: The case names no models, and no function of ours is known for it.
    """
    if case["inputs"] is not None:
        return None
    if case["method"] not in DIRECT:
        raise RecipeError(f"{case['method']} is not supported: the case names no models.")
    return DIRECT[case["method"]](case, stored)
