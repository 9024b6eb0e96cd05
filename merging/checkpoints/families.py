"""Which family a model is of, and which of its tensors no rule knows: told, never guessed quietly.

The cells themselves come from ``buckets``: one table of rules for all families.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from merging.checkpoints.base import Checkpoint
from merging.checkpoints.buckets import OTHER, Bucket, bucket_of

# Names without a block or a kind of their own, which are no surprise in any family.
_AT_HOME = re.compile(
    r"^(?:\w+\.)*(?:classifier|score|lm_head|logit_scale|pooler\.|proj_out|visual_projection|"
    r"text_projection|cls\.|qa_outputs|time_|class_|add_|linear)"
)


@dataclass(frozen=True, slots=True)
class Family:
    """A family of models whose names the rules were written for.

    Attributes:
        id: One word.
        label: Its name for people.
        types: ``model_type`` of ``config.json``, or ``_class_name`` of diffusers, that say it.
        sign: Matches a name that only this family has, for models without a config; "" for none.
        note: What is special about its weights, or "".
    """

    id: str
    label: str
    types: tuple[str, ...]
    sign: str
    note: str = ""


FAMILIES = (
    Family(
        "unet",
        "diffusers UNet",
        ("UNet2DConditionModel", "UNet2DModel"),
        r"(?:^|\.)down_blocks\.\d+\.",
        "rows are its down, mid and up blocks",
    ),
    Family(
        "mixtral",
        "Mixtral",
        ("mixtral",),
        r"block_sparse_moe\.",
        "the experts of its mixture share the cells of their layer",
    ),
    Family(
        "gpt2",
        "GPT-2",
        ("gpt2",),
        r"(?:^|\.)h\.\d+\.attn\.c_attn\.",
        "matrices are stored transposed, q, k and v in one",
    ),
    Family(
        "t5",
        "T5",
        ("t5", "mt5", "umt5"),
        r"(?:^|\.)encoder\.block\.\d+\.layer\.",
        "rows E are the encoder's blocks, D the decoder's",
    ),
    Family(
        "whisper",
        "Whisper",
        ("whisper",),
        r"^(?:model\.)?decoder\.layers\.\d+\.encoder_attn\.",
        "rows E are the encoder's blocks, D the decoder's; its two attentions share cells",
    ),
    Family(
        "clip",
        "CLIP",
        ("clip", "clip_text_model", "clip_vision_model"),
        r"(?:^|\.)(?:text|vision)_model\.encoder\.layers\.\d+\.",
        "rows V are the tower for pictures, T the one for text",
    ),
    Family(
        "bert",
        "BERT",
        ("bert", "roberta", "xlm-roberta"),
        r"encoder\.layer\.\d+\.attention\.self\.",
    ),
    Family("vit", "ViT", ("vit", "deit"), r"encoder\.layer\.\d+\.attention\.attention\."),
    Family("qwen", "Qwen", ("qwen2", "qwen3"), ""),
    Family("mistral", "Mistral", ("mistral",), ""),
    Family("llama", "Llama", ("llama",), r"layers\.\d+\.self_attn\.q_proj\."),
)
GENERAL = Family("general", "no family we know", (), "", "general rules on names are used")


@dataclass(frozen=True, slots=True)
class Cells:
    """The cells of a model's tensors and where they come from.

    Attributes:
        family: Of the model; ``GENERAL`` where none fits.
        buckets: Cell of every tensor, by name.
        unknown: Names that no rule knows, sorted; they are shown under ``Other``.
    """

    family: Family
    buckets: Mapping[str, Bucket]
    unknown: tuple[str, ...]

    def sentence(self) -> str:
        """Return in words which rules were used, and for how many names there was none."""
        said = f"Layers and modules by the rules for {self.family.label}"
        if self.family is GENERAL:
            said = "The model is of no family we know; layers and modules by general rules on names"
        elif self.family.note:
            said += f": {self.family.note}"
        if self.unknown:
            names = ", ".join(repr(name)[:60] for name in self.unknown[:3])
            said += f". {len(self.unknown)} tensor(s) fit no rule and stand under Other: {names}"
        return said + "."


def family_of(config: Mapping[str, Any], names: Collection[str]) -> Family:
    """Return the family of a model, from its config or, where that says nothing, from its names.

    Args:
        config: Contents of ``config.json``; may be empty, is not trusted.
        names: Its tensors.
    """
    said = config.get("model_type") or config.get("_class_name")
    for family in FAMILIES:
        if said in family.types:
            return family
    for family in FAMILIES:
        if family.sign and not said:
            sign = re.compile(family.sign)
            if any(sign.search(name) for name in names):
                return family
    return GENERAL


def cells_of(model: Checkpoint, config: Mapping[str, Any] | None = None) -> Cells:
    """Return the cells of a model's tensors, its family and the names that no rule knows.

    Args:
        model: No weight is read.
        config: What its ``config.json`` says; nothing where None.
    """
    names = model.tensors()
    buckets = {name: bucket_of(name) for name in names}
    unknown = (
        name for name, b in buckets.items() if b == Bucket(OTHER, "other") and not at_home(name)
    )
    return Cells(family_of(config or {}, names), buckets, tuple(sorted(unknown)))


def at_home(name: str) -> bool:
    """Whether a name without a cell is a usual one: a head, a projection, a temperature."""
    return bool(_AT_HOME.match(name))
