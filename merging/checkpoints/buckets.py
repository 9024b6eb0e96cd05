"""Which cell of the layer x module grid a tensor belongs to, by declared rules on its name."""

import re
from dataclasses import dataclass

EMBED, FINAL, OTHER = "Embed", "Final", "Other"

_LAYER = re.compile(r"(?:^|\.)(?:layers?|blocks?|h)\.(\d+)\.")
_MODULES = (
    ("norm", re.compile(r"norm|(?:^|\.)ln_")),
    ("q", re.compile(r"q_proj|query|\.q\.")),
    ("k", re.compile(r"k_proj|\.key\.|\.k\.")),
    ("v", re.compile(r"v_proj|value|\.v\.")),
    ("o", re.compile(r"o_proj|out_proj|attention\.output\.dense|\.o\.")),
    ("gate", re.compile(r"gate")),
    ("up", re.compile(r"fc1|up_proj|intermediate\.dense|c_fc")),
    ("down", re.compile(r"fc2|down_proj|output\.dense|c_proj")),
    ("embed", re.compile(r"embed|wte|wpe|cls_token")),
)
MODULES = ("embed", "q", "k", "v", "o", "gate", "up", "down", "norm", "other")


@dataclass(frozen=True, slots=True, order=True)
class Bucket:
    """One cell: a row (``Embed``, ``L0`` ..., ``Final``, ``Other``) and a module."""

    row: str
    module: str


def bucket_of(tensor: str) -> Bucket:
    """Return the cell of a tensor by its name.

    Names that no rule knows fall into ``Other`` / ``other``, where they are shown.

    Example:
        >>> bucket_of("layers.3.mlp.fc1.weight")
        Bucket(row='L3', module='up')
    """
    module = next((m for m, rule in _MODULES if rule.search(tensor)), "other")
    layer = _LAYER.search(tensor)
    if layer:
        return Bucket(f"L{int(layer[1])}", module)
    if module == "embed" or "embed" in tensor:
        return Bucket(EMBED, module)
    return Bucket(FINAL if module == "norm" else OTHER, module)


def row_order(row: str) -> tuple[int, int]:
    """Sort key that puts rows in the order data flows through them."""
    if row == EMBED:
        return (0, 0)
    if row.startswith("L") and row[1:].isdigit():
        return (1, int(row[1:]))
    return (2, 0) if row == FINAL else (3, 0)
