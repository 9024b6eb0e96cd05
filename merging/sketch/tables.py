"""The deltas of one set in memory, with what makes previews fast: signs, sorted sizes, bits."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from threading import Lock

import torch
from torch import Tensor

from merging.checkpoints.base import Checkpoint
from merging.errors import unknown
from merging.methods.masks import hash_bits, kept

MOST_SEEDS = 2


class DeltaTables:
    """Deltas of all experts of a set, read-only after construction and safe to share.

    Attributes:
        experts: Expert ids, in order of id.
        names: Float tensors, in order of name.
        count: Number of weights per expert.
    """

    def __init__(self, base: Checkpoint, experts: Mapping[str, Checkpoint]) -> None:
        """Read a base and its experts, as float32.

        Args:
            base: The shared starting point.
            experts: By id; tensors as in ``base``.
        """
        self.experts = tuple(sorted(experts))
        infos = base.tensors()
        self.names = tuple(sorted(n for n, i in infos.items() if i.dtype.is_floating_point))
        self._base = {n: base.load(n).float().flatten() for n in self.names}
        self._deltas = {
            n: torch.stack([experts[e].load(n).float().flatten() for e in self.experts])
            - self._base[n]
            for n in self.names
        }
        self.count = sum(len(b) for b in self._base.values())
        self._signs = {n: d.sign().to(torch.int8) for n, d in self._deltas.items()}
        self._squares = {n: d.double().square().sum(1) for n, d in self._deltas.items()}
        self._changed = {n: s.abs().sum(1, dtype=torch.int64) for n, s in self._signs.items()}
        self._lock = Lock()
        self._model_order: list[Tensor] = []
        self._tensor_order: dict[str, Tensor] = {}
        self._bits: OrderedDict[tuple[int, str, str], Tensor] = OrderedDict()

    def rows(self, ids: Iterable[str]) -> tuple[int, ...]:
        """Return the rows of experts.

        Raises:
            UnknownNameError: One is not in the set.
        """
        found = []
        for name in ids:
            if name not in self.experts:
                raise unknown("expert", name, self.experts)
            found.append(self.experts.index(name))
        return tuple(found)

    def base(self, name: str) -> Tensor:
        """Return the base's weights of a tensor, shape (elements,)."""
        return self._base[name]

    def deltas(self, name: str, rows: tuple[int, ...]) -> Tensor:
        """Return deltas of a tensor, shape (experts, elements), float32."""
        return self._pick(self._deltas[name], rows)

    def signs(self, name: str, rows: tuple[int, ...]) -> Tensor:
        """Return signs of the deltas, shape (experts, elements), int8."""
        return self._pick(self._signs[name], rows)

    def squares(self, name: str, rows: tuple[int, ...]) -> Tensor:
        """Return squared lengths of the deltas of a tensor, shape (experts,), float64."""
        return self._squares[name][list(rows)]

    def changed(self, name: str, rows: tuple[int, ...]) -> Tensor:
        """Return how many entries of a tensor are not zero, shape (experts,), int64."""
        return self._changed[name][list(rows)]

    def changes(self, rows: tuple[int, ...]) -> Tensor:
        """Return how many entries of the model are not zero, at least 1, shape (experts,)."""
        return torch.stack(list(self._changed.values())).sum(0)[list(rows)].clamp_min(1)

    def norms(self, rows: tuple[int, ...]) -> Tensor:
        """Return lengths of whole task vectors, shape (experts,), float64; never zero."""
        total = torch.stack(list(self._squares.values())).sum(0)[list(rows)]
        return total.sqrt().clamp_min(torch.finfo(torch.float64).tiny ** 0.5)

    def sorted_model(self, rows: tuple[int, ...]) -> list[Tensor]:
        """Return ascending |delta| over the whole model, one table per expert."""
        with self._lock:
            if not self._model_order:
                whole = torch.cat([self._deltas[n] for n in self.names], dim=1)
                self._model_order = [row.abs().sort().values for row in whole]
        return [self._model_order[row] for row in rows]

    def sorted_tensor(self, name: str, rows: tuple[int, ...]) -> list[Tensor]:
        """Return ascending |delta| of one tensor, one table per expert."""
        with self._lock:
            if name not in self._tensor_order:
                self._tensor_order[name] = self._deltas[name].abs().sort(dim=1).values
        return [self._tensor_order[name][row] for row in rows]

    def masks(self, seed: int) -> "CachedMasks":
        """Return the masks of a seed: the merge's, with the hash kept between ticks."""
        return CachedMasks(seed, self._hash_bits)

    def _hash_bits(self, seed: int, tensor: str, expert: str, count: int) -> Tensor:
        key = (seed, tensor, expert)
        with self._lock:
            if key in self._bits:
                self._bits.move_to_end(key)
                return self._bits[key]
        bits = hash_bits(seed, tensor, expert, 0, count)
        with self._lock:
            self._bits[key] = bits
            while len(self._bits) > MOST_SEEDS * len(self.names) * len(self.experts):
                self._bits.popitem(last=False)
        return bits

    def _pick(self, stack: Tensor, rows: tuple[int, ...]) -> Tensor:
        return stack if rows == tuple(range(len(self.experts))) else stack[list(rows)]


@dataclass(frozen=True, slots=True)
class CachedMasks:
    """Keep masks whose hash bits are remembered."""

    seed: int
    bits: Callable[[int, str, str, int], Tensor]

    def keep(self, tensor: str, expert: str, start: int, count: int, drop_rate: float) -> Tensor:
        """Return the keep mask of a run of elements; see ``merging.methods.spec.Masks``."""
        if drop_rate <= 0:
            return torch.ones(count, dtype=torch.bool)
        bits = self.bits(self.seed, tensor, expert, start + count)[start:]
        return kept(bits, drop_rate)
