"""A module's name to that of its tensor in a file: with or without a head, and where they differ.

transformers 5 names the modules of some families otherwise than their files; peft writes the
modules' names. Only a name that the model has is ever returned.
"""

import re
from collections.abc import Iterable

# Patterns of modules and what stands in files instead; all of a family are applied in order.
FAMILIES = (
    (  # ViT, DeiT, ViT-MAE, ViT-MSN
        (re.compile(r"(^|\.)layers\.(\d+)\."), r"\1encoder.layer.\2."),
        (re.compile(r"\.attention\.q_proj\."), ".attention.attention.query."),
        (re.compile(r"\.attention\.k_proj\."), ".attention.attention.key."),
        (re.compile(r"\.attention\.v_proj\."), ".attention.attention.value."),
        (re.compile(r"\.attention\.o_proj\."), ".attention.output.dense."),
        (re.compile(r"\.mlp\.fc1\."), ".intermediate.dense."),
        (re.compile(r"\.mlp\.fc2\."), ".output.dense."),
    ),
    ((re.compile(r"\.mlp\.gate\."), ".block_sparse_moe.gate."),),  # Mixtral's router
)


class Names:
    """Finds a module's tensor among those of a model."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(names)
        self._inner: dict[str, list[str]] = {}
        for name in self._names:
            self._inner.setdefault(name.partition(".")[2], []).append(name)

    def find(self, name: str) -> str | None:
        """Return the tensor of a module, or None where it is not there or could be several."""
        found = self._plain(name)
        for rules in () if found else FAMILIES:
            stored = name
            for rule, instead in rules:
                stored = rule.sub(instead, stored)
            found = found or self._plain(stored)
        return found

    def _plain(self, name: str) -> str | None:
        """A base that was saved with or without its head has one part more or less in front."""
        if name in self._names:
            return name
        outer = self._inner.get(name, [])
        if len(outer) == 1:
            return outer[0]
        inner = name.partition(".")[2]
        return inner if inner in self._names else None
