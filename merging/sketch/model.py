"""The sketch of a set of models: frozen summaries of its deltas, small enough to ship."""

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from merging.errors import SourceError

FORMAT = "merge-explorer-sketch/1"
LEVELS = 257


@dataclass(frozen=True, slots=True)
class Sketch:
    """Summaries of every expert's delta.

    Attributes:
        identity: Hash of the weights that it describes.
        experts: Expert ids.
        tensors: Names of the float tensors.
        counts: Elements per tensor, shape (tensors,), int64.
        quantiles: |delta| of each expert over the whole model at ``levels`` equally spaced
            positions of the sorted order, shape (experts, levels), float32.
        tensor_quantiles: The same per tensor, shape (tensors, experts, levels), float32.
        nonzero: Entries that changed, shape (tensors, experts), int64.
        l1: Sum of |delta|, shape (tensors, experts), float64.
        dots: Pairwise dot products, shape (tensors, experts, experts), float64.
    """

    identity: str
    experts: tuple[str, ...]
    tensors: tuple[str, ...]
    counts: Tensor
    quantiles: Tensor
    tensor_quantiles: Tensor
    nonzero: Tensor
    l1: Tensor
    dots: Tensor

    def norms(self) -> Tensor:
        """Return the length of each expert's whole task vector, shape (experts,), float64."""
        return self.dots.sum(0).diagonal().clamp_min(0).sqrt()

    def cosines(self) -> Tensor:
        """Return cosines between whole task vectors, shape (experts, experts), float64."""
        norms = self.norms().clamp_min(torch.finfo(torch.float64).tiny ** 0.5)
        return self.dots.sum(0) / norms.outer(norms)


_ARRAYS = ("counts", "quantiles", "tensor_quantiles", "nonzero", "l1", "dots")


def build_sketch(identity: str, experts: tuple[str, ...], deltas: dict[str, Tensor]) -> Sketch:
    """Summarise all deltas, exactly.

    Args:
        identity: Hash of the weights.
        experts: Expert ids, in the order of the stacks.
        deltas: For every tensor its deltas, shape (experts, elements), float32.
    """
    names = tuple(sorted(deltas))
    whole = torch.cat([deltas[n] for n in names], dim=1)
    wide = [deltas[n].to(torch.float64) for n in names]
    return Sketch(
        identity=identity,
        experts=experts,
        tensors=names,
        counts=torch.tensor([deltas[n].shape[1] for n in names]),
        quantiles=_quantiles(whole),
        tensor_quantiles=torch.stack([_quantiles(deltas[n]) for n in names]),
        nonzero=torch.stack([(d != 0).sum(1) for d in wide]),
        l1=torch.stack([d.abs().sum(1) for d in wide]),
        dots=torch.stack([d @ d.T for d in wide]),
    )


def save_sketch(sketch: Sketch, path: Path) -> None:
    """Write a sketch; the file appears under its name only when complete."""
    partial = path.with_suffix(".partial")
    metadata = {
        "format": FORMAT,
        "identity": sketch.identity,
        "experts": "\n".join(sketch.experts),
        "tensors": "\n".join(sketch.tensors),
    }
    save_file({n: getattr(sketch, n).contiguous() for n in _ARRAYS}, partial, metadata)
    partial.rename(path)


def load_sketch(path: Path) -> Sketch:
    """Read a sketch.

    Raises:
        SourceError: It cannot be read or is of another version.
    """
    try:
        with safe_open(path, framework="pt") as file:
            facts = file.metadata() or {}
            if facts.get("format") != FORMAT:
                raise SourceError(f"{path.name} is not a sketch of format {FORMAT}.")
            return Sketch(
                facts["identity"],
                tuple(facts["experts"].split("\n")),
                tuple(facts["tensors"].split("\n")),
                **{name: file.get_tensor(name) for name in _ARRAYS},
            )
    except (OSError, SafetensorError, KeyError) as error:
        raise SourceError(f"Cannot read the sketch {path.name}: {error}") from error


def _quantiles(deltas: Tensor) -> Tensor:
    ordered = deltas.abs().sort(dim=1).values
    positions = torch.linspace(0, deltas.shape[1] - 1, LEVELS, dtype=torch.float64)
    return ordered[:, positions.round().long()]
