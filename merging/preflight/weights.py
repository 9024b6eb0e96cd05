"""Findings on architectures and tensors: what a plan would refuse, all of it at once."""

from collections.abc import Iterator, Mapping, Sequence

from merging.checkpoints.base import Checkpoint, TensorInfo
from merging.engine.fit import HEAD, STATISTICS, copy_reason, kind, mismatch, resized
from merging.engine.tied import tied_names, tied_to
from merging.errors import CompatibilityError, SourceError
from merging.preflight.findings import Finding

_SIZES = (
    *("hidden_size", "d_model", "n_embd", "num_hidden_layers", "num_layers", "n_layer"),
    *("num_attention_heads", "num_key_value_heads", "rope_theta", "hidden_act"),
    *("layer_norm_eps", "rms_norm_eps", "tie_word_embeddings"),
)
_REMEDY = {
    "missing": "Choose a model that was made from the same base.",
    "extra": "Choose a model that was made from the same base.",
    "shape": "Choose a model that was made from the same base.",
    "resized": "Write tokenizer: union (or base) into the recipe; rows then go by token.",
    "kind": "Convert one of the models.",
}


def architectures(reference: Checkpoint, experts: Sequence[Checkpoint]) -> Iterator[Finding]:
    """Compare what configs say of the architecture; names and shapes decide, this only warns.

    Yields:
        One finding for every setting that differs between the reference and an expert.
    """
    ours = _config(reference)
    for expert in experts:
        theirs = _config(expert)
        for key in ("model_type", "architectures", *_SIZES):
            one, other = ours.get(key), theirs.get(key)
            if one == other or key not in ours or key not in theirs:
                continue
            weighty = key != "architectures"
            yield Finding(
                "warns" if weighty else "tells",
                "architecture",
                f"{key} is {one!r:.60} in {reference.name} and {other!r:.60} in {expert.name}; "
                f"the merged model says {one!r:.60}.",
                "Make sure that both are the same network." if weighty else "",
                models=(reference.name, expert.name),
                values=(repr(one)[:60], repr(other)[:60]),
            )


def tensors(
    reference: Checkpoint, experts: Sequence[Checkpoint], tied: Mapping[str, str] | None = None
) -> Iterator[Finding]:
    """Compare all tensors of all models.

    Args:
        reference: Base or first expert.
        experts: All experts.
        tied: Names that repeat another tensor, from a plan; looked for where None.

    Yields:
        A blocking finding for every tensor that a plan refuses, and what a plan only tells.

    Raises:
        SourceError: A file cannot be read.
    """
    infos = reference.tensors()
    if tied is None:
        floating = {n for n, i in infos.items() if i.dtype.is_floating_point}
        tied = tied_names(reference, experts, {n for n in floating if not STATISTICS.search(n)})
    for name, first in tied.items():
        message = f"{name!r} repeats {first!r} in all models; it is counted once."
        yield Finding("tells", "tied", message, tensor=name, models=(reference.name,))
    for name, info in infos.items():
        if name not in tied:
            yield from _fits(name, info, reference, experts)
    for expert in experts:
        for name in expert.tensors():
            if name not in infos:
                yield _extra(expert, name, reference)


def _fits(
    name: str, info: TensorInfo, reference: Checkpoint, experts: Sequence[Checkpoint]
) -> Iterator[Finding]:
    bad = False
    for expert in experts:
        other = expert.tensors().get(name)
        problem = mismatch(name, info, other, reference.name, expert.name)
        models = (reference.name, expert.name)
        values = (_shown(info), _shown(other))
        if problem and HEAD.match(name):
            message = f"{name!r} is a task head that differs; {reference.name}'s is kept."
            yield Finding("tells", "head", message, "", name, models, values)
        elif problem:
            code = _code(name, info, other)
            yield Finding("blocks", code, problem, _REMEDY[code], name, models, values)
        elif other is not None and other.dtype != info.dtype:
            message = f"{name!r} is stored as {values[0]} and {values[1]}; it is merged in float32."
            yield Finding("tells", "dtype", message, "", name, models, values)
        bad = bad or bool(problem)
    if bad:
        return
    try:
        copy_reason(name, info, reference, tuple(experts))
    except CompatibilityError as error:
        yield Finding("blocks", "integers", str(error), "Make them equal first.", name)


def _code(name: str, info: TensorInfo, other: TensorInfo | None) -> str:
    if other is None:
        return "missing"
    if other.shape == info.shape:
        return "kind"
    return "resized" if resized(name, info, other) else "shape"


def _extra(expert: Checkpoint, name: str, reference: Checkpoint) -> Finding:
    info, models = expert.tensors()[name], (reference.name, expert.name)
    values = ("none", _shown(info))
    first = tied_to(expert, name, reference.tensors())
    if first is not None:
        message = f"{expert.name} has {name!r} too, which repeats its {first!r}; it is left out."
        return Finding("tells", "tied", message, "", name, models, values)
    if HEAD.match(name):
        message = f"{name!r} is a task head of {expert.name}; it stays with {expert.name}."
        return Finding("tells", "head", message, "", name, models, values)
    message = f"{expert.name} has a tensor {name!r} that {reference.name} lacks."
    return Finding("blocks", "extra", message, _REMEDY["extra"], name, models, values)


def _shown(info: TensorInfo | None) -> str:
    if info is None:
        return "none"
    return f"{'x'.join(map(str, info.shape)) or 'a single number'} {kind(info.dtype)}"


def _config(model: Checkpoint) -> Mapping[str, object]:
    try:
        return model.config()
    except SourceError:
        return {}
