"""A model in blocks: thirds of its layers by kind of module, and the rules that pick each block.

Which tensors a block has is read off their names (``buckets``); a rule of a recipe picks tensors by
a part of the name, so for each block parts are looked for that no other tensor's name has.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from merging.checkpoints.buckets import bucket_of
from merging.methods.params import Value
from merging.recipe.local import Rule, Spot, spots_of

ATTENTION, MLP, OTHER = "attention", "mlp", "other"
COLUMNS = (ATTENTION, MLP, OTHER)
BEFORE, AFTER = "embeddings", "final"
THIRDS = ("first", "middle", "last")
_MODULES = {
    **dict.fromkeys(("q", "k", "v", "qkv", "o"), ATTENTION),
    **dict.fromkeys(("router", "gate", "up", "down"), MLP),
}


@dataclass(frozen=True, slots=True)
class Row:
    """A row of blocks.

    Attributes:
        id: ``embeddings``, ``first``, ``middle``, ``last`` or ``final``.
        layers: Its run of layers, the end not included; None outside layers.
    """

    id: str
    layers: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Blocks:
    """The blocks of a model.

    Attributes:
        rows: From the input to the output; those without tensors are left out.
        spots: Where each tensor stands.
        tensors: Names of every block that has some, by row id and column.
        parts: Parts of names that pick a block's tensors within its row and nothing else; none
            where names allow no such thing.
    """

    rows: tuple[Row, ...]
    spots: Mapping[str, Spot]
    tensors: Mapping[tuple[str, str], tuple[str, ...]]
    parts: Mapping[tuple[str, str], tuple[str, ...]]

    @property
    def height(self) -> int:
        """How many layers the tallest stack has; 0 where no name holds a number."""
        return max((s.layers for s in self.spots.values() if s.layer is not None), default=0)

    def rules(self, row: str, column: str, value: Value) -> tuple[Rule, ...]:
        """Return the rules that give a block a value; none where it cannot be picked.

        Raises:
            KeyError: There is no such block.
        """
        layers = next(r.layers for r in self.rows if r.id == row)
        return tuple(Rule(value, part, layers) for part in self.parts[row, column])


def blocks_of(names: Iterable[str]) -> Blocks:
    """Return the blocks of a model.

    Models of one or two layers have as many rows of layers as they have layers. Where two stacks
    stand in one model (encoder and decoder), a row has the same numbers of both.

    Args:
        names: All its tensors.

    Example:
        >>> found = blocks_of(["wte.weight", "h.0.attn.c_attn.weight", "h.0.ln.weight"])
        >>> found.parts["first", "attention"]
        ('.c_attn.',)
    """
    spots = spots_of(names)
    height = max((s.layers for s in spots.values() if s.layer is not None), default=0)
    rows = (Row(BEFORE), *_thirds(height), Row(AFTER))
    tensors: dict[tuple[str, str], list[str]] = {}
    for name, spot in spots.items():
        row = next(r.id for r in rows if _stands_in(spot, r))
        tensors.setdefault((row, column_of(name)), []).append(name)
    there = {row for row, _ in tensors}
    return Blocks(
        tuple(r for r in rows if r.id in there),
        spots,
        {cell: tuple(found) for cell, found in tensors.items()},
        dict(_parts(spots, tensors)),
    )


def column_of(tensor: str) -> str:
    """Return the column of a tensor: attention (q, k, v and output), mlp, or other."""
    return _MODULES.get(bucket_of(tensor).module, OTHER)


def _thirds(height: int) -> Iterator[Row]:
    count = min(height, len(THIRDS))
    cuts = [round(height * i / count) for i in range(count + 1)] if count else []
    ids = THIRDS if count == len(THIRDS) else ("first", "last")
    yield from (Row(ids[i], (cuts[i], cuts[i + 1])) for i in range(count))


def _stands_in(spot: Spot, row: Row) -> bool:
    if row.layers is not None:
        return spot.layer is not None and row.layers[0] <= spot.layer < row.layers[1]
    return spot.layer is None and spot.after == (row.id == AFTER)


def _parts(
    spots: Mapping[str, Spot], tensors: Mapping[tuple[str, str], Sequence[str]]
) -> Iterator[tuple[tuple[str, str], tuple[str, ...]]]:
    """Parts of names for every block; the rows keep those of one column apart by themselves."""
    for (row, column), names in tensors.items():
        own = {
            n for (r, c), some in tensors.items() if _alike(r, row) and c == column for n in some
        }
        yield (row, column), _covering(names, own, spots)


def _alike(first: str, second: str) -> bool:
    return first == second or (first in THIRDS and second in THIRDS)


def _covering(names: Sequence[str], own: set[str], spots: Mapping[str, Spot]) -> tuple[str, ...]:
    """Few parts, found greedily, that all these names have and none but their own; else nothing.

    Parts of few words are tried first, those that begin with the number of a layer last.
    """
    wanted, chosen = set(names), list[str]()
    others = "\n".join(name for name in spots if name not in own)
    for back in (1, 0):
        longest = max(name.count(".") for name in names) + 1
        for size in range(1, longest + 1):
            pieces = {p for n in wanted for p in _pieces(n, spots[n], size, back)}
            usable = [p for p in sorted(pieces, key=lambda p: (len(p), p)) if p not in others]
            held = {p: {n for n in wanted if p in n} for p in usable}
            while usable and (best := max(usable, key=lambda p: len(held[p] & wanted))):
                if not held[best] & wanted:
                    break
                chosen.append(best)
                wanted -= held[best]
            if not wanted:
                return tuple(chosen)
    return ()


def _pieces(name: str, spot: Spot, size: int, back: int) -> Iterator[str]:
    """Runs of so many words of a name between dots, behind its layer or, ``back`` 0, from it."""
    words, first = name.split("."), 0
    if spot.layer is not None:
        first = next(i for i, word in enumerate(words) if word.isdecimal()) + back
    for start in range(first, len(words) - size + 1):
        if size > 1 or not words[start].isdecimal():
            left, right = "." if start else "", "." if start + size < len(words) else ""
            yield f"{left}{'.'.join(words[start : start + size])}{right}"
