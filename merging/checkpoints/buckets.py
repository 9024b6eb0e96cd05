"""Which cell of the layer x module grid a tensor belongs to, by declared rules on its name.

The rules of all families stand in one table, special names before general ones, so that a name
alone says its cell. ``families`` says which family a model is of and which names no rule knows.
"""

import re
from dataclasses import dataclass

EMBED, FINAL, OTHER = "Embed", "Final", "Other"

# Blocks by the name around their number. Of models with two stacks each has a letter of its own.
_ROWS = (
    ("Tb", re.compile(r"^text_encoder_2\..*\.layers\.(\d+)\.")),
    ("T", re.compile(r"(?:^|\.)text_(?:model|encoder)\..*layers\.(\d+)\.")),
    ("V", re.compile(r"(?:^|\.)vision_(?:model|tower)\..*layers\.(\d+)\.")),
    ("Down", re.compile(r"(?:^|\.)down_blocks\.(\d+)\.")),
    ("Mid", re.compile(r"(?:^|\.)mid_block\.()")),
    ("Up", re.compile(r"(?:^|\.)up_blocks\.(\d+)\.")),
    ("E", re.compile(r"^(?:model\.)?encoder\.layers\.(\d+)\.")),
    ("E", re.compile(r"^(?:\w+\.)?encoder\.block\.(\d+)\.layer\.\d+\.")),
    ("D", re.compile(r"^(?:\w+\.)?decoder\.(?:block|layers)\.(\d+)\.")),
    ("L", re.compile(r"(?:^|\.)(?:layers?|blocks?|h)\.(\d+)\.")),
)
_MODULES = (
    ("norm", re.compile(r"norm|(?:^|\.)ln_|layrnorm", re.IGNORECASE)),
    ("qkv", re.compile(r"c_attn|qkv|query_key_value|in_proj_")),
    ("q", re.compile(r"q_proj|query|\.q\.|to_q\.")),
    ("k", re.compile(r"k_proj|\.key\.|\.k\.|to_k\.")),
    ("v", re.compile(r"v_proj|value|\.v\.|to_v\.")),
    ("o", re.compile(r"o_proj|out_proj|attention\.output\.dense|\.o\.|attn\.c_proj|to_out\.")),
    ("router", re.compile(r"(?:block_sparse_moe|mlp|feed_forward)\.(?:gate|router)\.")),
    ("gate", re.compile(r"gate_proj|experts\.\d+\.w1\.|\bwi_0\b")),
    ("up", re.compile(r"fc1|up_proj|intermediate\.dense|c_fc|experts\.\d+\.w3\.|\bwi(?:_1)?\b")),
    ("down", re.compile(r"fc2|down_proj|output\.dense|c_proj|experts\.\d+\.w2\.|\bwo\b")),
    ("up", re.compile(r"(?:^|\.)ff\.net\.0\.")),
    ("down", re.compile(r"(?:^|\.)ff\.net\.2\.")),
    ("gate", re.compile(r"gate")),
    ("embed", re.compile(r"embed|wte|wpe|cls_token|^shared\.")),
    ("conv", re.compile(r"conv(?:\d|_|\.|$)")),
)
_ATTENTION = ("q", "k", "v", "qkv", "o")
MODULES = ("embed", *_ATTENTION, "router", "gate", "up", "down", "conv", "norm", "other")


@dataclass(frozen=True, slots=True, order=True)
class Bucket:
    """One cell: a row (``Embed``, ``L0`` ..., ``Final``, ``Other``) and a module.

    Rows of models with two stacks are ``E0`` and ``D0`` (encoder and decoder), ``V0`` and ``T0``
    (the towers for pictures and for text), ``Down0``, ``Mid`` and ``Up0`` (a UNet's blocks).
    """

    row: str
    module: str


def bucket_of(tensor: str) -> Bucket:
    """Return the cell of a tensor by its name.

    Experts of a mixture share the cells of their layer. Names that no rule knows fall into
    ``Other`` / ``other``, where they are shown.

    Example:
        >>> bucket_of("layers.3.mlp.fc1.weight")
        Bucket(row='L3', module='up')
    """
    module = next((m for m, rule in _MODULES if rule.search(tensor)), "other")
    for letter, rule in _ROWS:
        if found := rule.search(tensor):
            return Bucket(letter + (str(int(found[1])) if found[1] else ""), module)
    if module == "embed" or "embed" in tensor:
        return Bucket(EMBED, module)
    return Bucket(FINAL if module == "norm" else OTHER, module)


_ORDER = {letter: at for at, letter in enumerate(("Down", "Mid", "Up", "V", "T", "Tb", "E", "D"))}
_MOST_LAYERS = 1_000_000
_NUMBERED = re.compile(r"([A-Z][a-z]*)(\d*)")


def row_order(row: str) -> tuple[int, int]:
    """Sort key that puts rows in the order data flows through them."""
    if row == EMBED:
        return (0, 0)
    if row in (FINAL, OTHER):
        return (2, 0) if row == FINAL else (3, 0)
    found = _NUMBERED.fullmatch(row)
    if found and found[1] == "L" and found[2]:
        return (1, int(found[2]))
    if found and found[1] in _ORDER and (found[2] or found[1] == "Mid"):
        return (1, (1 + _ORDER[found[1]]) * _MOST_LAYERS + int(found[2] or 0))
    return (3, 0)
