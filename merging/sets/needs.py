"""What a bundled set lacks before a method can run on it."""

from merging.methods.spec import MethodSpec
from merging.sets.bundled import ModelSet

_UNMEASURED = {
    "fisher": "no Fisher diagonals were measured for this set.",
    "gram": "no Gram matrices of the layers' inputs were measured for this set.",
    "inputs": "no inputs of the layers were measured for this set.",
}


def missing(spec: MethodSpec, opened: ModelSet) -> str:
    """Return in words what a set lacks for a method, or "" when it can run.

    Statistics of experts are not part of the bundled sets; held-out data to choose by is.
    """
    needs = spec.needs
    if needs.data in _UNMEASURED:
        return _UNMEASURED[needs.data]
    if needs.model == "mixture":
        return "it takes a mixture of experts (Mixtral), and this set holds none."
    if len(opened.experts) < needs.experts:
        return f"it takes {needs.experts} experts and this set has {len(opened.experts)}."
    return ""
