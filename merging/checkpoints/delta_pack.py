"""How a delta file packs one tensor: largest entries, low-rank factors, few bits, or as it is.

A tensor is looked at as a matrix of its first axis by all others. Parts of tensor NAME are stored
as NAME/PART:

    dense             float32, the tensor's shape: what would not get smaller, and vectors
    index, value      largest entries: flat indices (int32, or int64 from 2**31 on; rising) and
                      float32 values
    left, right       float32 (rows, rank) and (rank, columns): singular vectors times √σ each
    packed4, packed6  uint8 (rows, bytes): codes q + 2**(bits-1) of 4 or 6 bits, low bits first,
                      rows padded with 0 to whole bytes; with scale, float32 (rows,): q · scale
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from merging.checkpoints.changes import matrix_of

BITS = (4, 6)
DOUBLE_UP_TO = 1024
Parts = dict[str, Tensor]
Kind = tuple[tuple[int, ...], torch.dtype]  # shape and type of a part


def pack_dense(delta: Tensor) -> Parts:
    """Store a delta as it is, in float32."""
    return {"dense": delta.float().contiguous()}


def pack_density(delta: Tensor, density: float) -> Parts:
    """Keep the largest entries.

    Args:
        delta: Any shape, float64.
        density: Share kept, in (0, 1]; rounded up to whole entries. Zeros are never kept.

    Returns:
        ``index`` and ``value``; ``dense`` where that is smaller.
    """
    flat = delta.flatten()
    keep = min(len(flat), max(1, -int(-density * len(flat) // 1)))
    index = torch.topk(flat.abs(), keep, sorted=False).indices.sort().values
    index = index[flat[index] != 0]
    kind = torch.int32 if len(flat) < 2**31 else torch.int64
    if len(index) * (kind.itemsize + 4) >= len(flat) * 4:
        kept = torch.zeros_like(flat)
        kept[index] = flat[index]
        return pack_dense(kept.reshape(delta.shape))
    return {"index": index.to(kind), "value": flat[index].float()}


def pack_rank(delta: Tensor, rank: int) -> Parts:
    """Keep the largest singular values.

    Args:
        delta: Any shape, float64.
        rank: How many.

    Returns:
        ``left`` and ``right``; ``dense`` for vectors and where that is smaller.

    Source:
        Eckart and Young 1936: no matrix of this rank is nearer.
    """
    rows, columns = matrix_of(tuple(delta.shape))
    if delta.dim() < 2 or rank * (rows + columns) >= rows * columns:
        return pack_dense(delta)
    u, s, v = singular(delta.reshape(rows, columns))
    root = s[:rank].sqrt()
    left, right = u[:, :rank] * root, root.unsqueeze(1) * v[:rank]
    return {"left": left.float().contiguous(), "right": right.float().contiguous()}


def singular(matrix: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the thin singular value decomposition, in float32 where float64 takes minutes.

    Args:
        matrix: Shape (rows, columns), float64.

    Returns:
        U, σ falling, and V transposed, float64.
    """
    small = min(matrix.shape) <= DOUBLE_UP_TO
    u, s, v = torch.linalg.svd(matrix if small else matrix.float(), full_matrices=False)
    return u.double(), s.double(), v.double()


def pack_bits(delta: Tensor, bits: int) -> Parts:
    """Round every row to whole multiples of its own scale, symmetric around 0.

    Args:
        delta: Any shape, float64.
        bits: 4 or 6: multiples from -7 to 7 or from -31 to 31.

    Returns:
        ``packed4`` or ``packed6`` and ``scale``; ``dense`` for vectors.
    """
    rows, columns = matrix_of(tuple(delta.shape))
    if delta.dim() < 2:
        return pack_dense(delta)
    matrix, most = delta.reshape(rows, columns), (1 << (bits - 1)) - 1
    scale = (matrix.abs().amax(1) / most).float()
    step = torch.where(scale > 0, scale, torch.ones_like(scale)).double().unsqueeze(1)
    codes = (matrix / step).round().clamp(-most, most).to(torch.int64) + (1 << (bits - 1))
    return {f"packed{bits}": _to_bytes(codes, bits), "scale": scale}


def unpack(parts: Mapping[str, Tensor], shape: tuple[int, ...]) -> Tensor:
    """Return a stored delta.

    Args:
        parts: Of one tensor, checked by ``problem``.
        shape: Of the tensor.

    Returns:
        Float64, as a matrix (rows, columns).
    """
    rows, columns = matrix_of(shape)
    if "dense" in parts:
        return parts["dense"].double().reshape(rows, columns)
    if "left" in parts:
        return parts["left"].double() @ parts["right"].double()
    if "index" in parts:
        flat = torch.zeros(rows * columns, dtype=torch.float64)
        flat[parts["index"].long()] = parts["value"].double()
        return flat.reshape(rows, columns)
    bits = next(b for b in BITS if f"packed{b}" in parts)
    codes = _from_bytes(parts[f"packed{bits}"], bits, columns) - (1 << (bits - 1))
    return codes.double() * parts["scale"].double().unsqueeze(1)


def problem(
    infos: Mapping[str, tuple[tuple[int, ...], torch.dtype]], shape: tuple[int, ...]
) -> str:
    """Say why stored parts are none of a tensor of this shape, or return "".

    Args:
        infos: Shape and type by part.
        shape: Of the tensor.
    """
    rows, columns = matrix_of(shape)
    f32, names = torch.float32, frozenset(infos)
    shapes = {part: found for part, (found, _) in infos.items()}
    types = {part: found for part, (_, found) in infos.items()}
    if names == {"dense"}:
        good = shapes["dense"] == shape and types["dense"] == f32
    elif names == {"index", "value"}:
        kept = shapes["index"]
        whole = types["index"] in (torch.int32, torch.int64)
        good = len(kept) == 1 and kept == shapes["value"] and whole and types["value"] == f32
    elif names == {"left", "right"}:
        left, right = shapes["left"], shapes["right"]
        flat = len(left) == len(right) == 2 and set(types.values()) == {f32}
        good = flat and left[0] == rows and right[1] == columns and left[1] == right[0]
    elif names in ({"packed4", "scale"}, {"packed6", "scale"}):
        bits = 4 if "packed4" in names else 6
        packed = f"packed{bits}"
        good = shapes["scale"] == (rows,) and types["scale"] == f32
        good = good and shapes[packed] == (rows, -(-columns * bits // 8))
        good = good and types[packed] == torch.uint8
    else:
        return f"has the parts {', '.join(sorted(names))[:80]}, which are none of this format"
    return "" if good else f"has parts of shapes {list(shapes.values())}, which do not fit {shape}"


def _to_bytes(codes: Tensor, bits: int) -> Tensor:
    """Pack whole numbers below 2**bits, low bits first."""
    per, size = (2, 1) if bits == 4 else (4, 3)
    rows, columns = codes.shape
    padded = torch.nn.functional.pad(codes, (0, -columns % per)).reshape(rows, -1, per)
    word = (padded << torch.arange(per).mul(bits)).sum(2)
    made = (word.unsqueeze(2) >> torch.arange(size).mul(8)) & 255
    return made.to(torch.uint8).reshape(rows, -1)[:, : -(-columns * bits // 8)].contiguous()


def _from_bytes(packed: Tensor, bits: int, columns: int) -> Tensor:
    """Unpack ``columns`` whole numbers of every row."""
    per, size = (2, 1) if bits == 4 else (4, 3)
    padded = torch.nn.functional.pad(packed.long(), (0, -packed.shape[1] % size))
    word = (padded.reshape(len(packed), -1, size) << torch.arange(size).mul(8)).sum(2)
    codes = (word.unsqueeze(2) >> torch.arange(per).mul(bits)) & ((1 << bits) - 1)
    return codes.reshape(len(packed), -1)[:, :columns]
