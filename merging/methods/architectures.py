"""What the axes of tensors run over in known architectures: one letter per axis, by name."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Architecture:
    """One family of models.

    Attributes:
        label: Name in words.
        rules: End of a tensor's name (a regular expression) and one letter per axis: S residual
            stream, H hidden units, Q K V rows of query, key and value, O columns of the attention
            output, P what the pooler reads or, without one, the stream, "." stays in place.
        rotary: Places of queries and keys inside a head have a meaning and stay.
    """

    label: str
    rules: tuple[tuple[str, str], ...]
    rotary: bool = False


_ENCODER_BLOCK = (
    (r"attention\.(?:attention|self)\.query\.weight", "QS"),
    (r"attention\.(?:attention|self)\.query\.bias", "Q"),
    (r"attention\.(?:attention|self)\.key\.weight", "KS"),
    (r"attention\.(?:attention|self)\.key\.bias", "K"),
    (r"attention\.(?:attention|self)\.value\.weight", "VS"),
    (r"attention\.(?:attention|self)\.value\.bias", "V"),
    (r"attention\.output\.dense\.weight", "SO"),
    (r"attention\.output\.dense\.bias", "S"),
    (r"intermediate\.dense\.weight", "HS"),
    (r"intermediate\.dense\.bias", "H"),
    (r"output\.dense\.weight", "SH"),
    (r"output\.dense\.bias", "S"),
    (r"pooler\.dense\.weight", ".S"),
    (r"pooler\.dense\.bias", "."),
    (r"classifier\.weight", ".P"),
    (r"classifier\.bias", "."),
)
VIT = Architecture(
    "ViT",
    (
        (r"embeddings\.(?:cls_token|mask_token|position_embeddings)", "..S"),
        (r"patch_embeddings\.projection\.weight", "S..."),
        (r"patch_embeddings\.projection\.bias", "S"),
        (r"layernorm(?:_before|_after)?\.(?:weight|bias)", "S"),
        *_ENCODER_BLOCK,
    ),
)
BERT = Architecture(
    "BERT",
    (
        (r"embeddings\.(?:word|position|token_type)_embeddings\.weight", ".S"),
        (r"predictions\.transform\.dense\.weight", "SS"),
        (r"predictions\.transform\.dense\.bias", "S"),
        (r"predictions\.decoder\.weight", ".S"),
        (r"predictions\.(?:decoder\.)?bias", "."),
        (r"LayerNorm\.(?:weight|bias)", "S"),
        (r"qa_outputs\.weight", ".S"),
        (r"qa_outputs\.bias", "."),
        *_ENCODER_BLOCK,
    ),
)
LLAMA = Architecture(
    "Llama",
    (
        (r"embed_tokens\.weight", ".S"),
        (r"(?:lm_head|score)\.weight", ".S"),
        (r"(?:input_layernorm|post_attention_layernorm|norm)\.weight", "S"),
        (r"self_attn\.q_proj\.weight", "QS"),
        (r"self_attn\.q_proj\.bias", "Q"),
        (r"self_attn\.k_proj\.weight", "KS"),
        (r"self_attn\.k_proj\.bias", "K"),
        (r"self_attn\.v_proj\.weight", "VS"),
        (r"self_attn\.v_proj\.bias", "V"),
        (r"self_attn\.o_proj\.weight", "SO"),
        (r"self_attn\.o_proj\.bias", "S"),
        (r"mlp\.(?:gate|up)_proj\.weight", "HS"),
        (r"mlp\.(?:gate|up)_proj\.bias", "H"),
        (r"mlp\.down_proj\.weight", "SH"),
        (r"mlp\.down_proj\.bias", "S"),
    ),
    rotary=True,
)
ARCHITECTURES = (VIT, BERT, LLAMA)
# For transformers that are not declared: hidden units of feed-forward blocks, by usual names.
BLOCKS = Architecture(
    "feed-forward blocks",
    (
        (r"fc1\.weight", "H."),
        (r"fc1\.bias", "H"),
        (r"fc2\.weight", ".H"),
        (r"(?<!attention\.)intermediate\.dense\.weight", "H."),
        (r"(?<!attention\.)intermediate\.dense\.bias", "H"),
        (r"(?<!attention\.)output\.dense\.weight", ".H"),
        (r"(?:up|gate)_proj\.weight", "H."),
        (r"(?:up|gate)_proj\.bias", "H"),
        (r"down_proj\.weight", ".H"),
    ),
)
