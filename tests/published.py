"""Recipes in the style of those that people publish for mergekit, written for these tests.

Models are called ``base``, ``a``, ``b`` and ``c``; where layers matter they have four. Random
methods are those in ``DRAWN``: only their law can be compared.
"""

LLAMA = """
slices:
  - sources: [{model: base, layer_range: [0, 4]}, {model: a, layer_range: [0, 4]}]
merge_method: slerp
base_model: base
parameters:
  t:
    - {filter: self_attn, value: [0, 0.5, 0.3, 0.7, 1]}
    - {filter: mlp, value: [1, 0.5, 0.7, 0.3, 0]}
    - value: 0.5
dtype: float32
"""
HEAD = "merge_method: {}\nbase_model: base\ndtype: float32\n"
THREE = "models:\n" + "".join(
    f"  - model: {name}\n    parameters: {{{{weight: {weight}{{own}}}}}}\n"
    for name, weight in (("a", 0.6), ("b", 0.3), ("c", 0.2))
)
BARE = "models: [{model: a}, {model: b}, {model: c}]\n"


def _three(method: str, own: str = "", shared: str = "") -> str:
    parameters = f"parameters: {{{shared}}}\n" if shared else ""
    return HEAD.format(method) + THREE.format(own=own) + parameters


def _bare(method: str, shared: str = "", models: str = BARE) -> str:
    return HEAD.format(method) + models + (f"parameters: {{{shared}}}\n" if shared else "")


_STACK = """
slices:
  - sources: [{model: a, layer_range: [0, 3]}]
  - sources: [{model: b, layer_range: [1, 4]}]
merge_method: passthrough
dtype: float32
"""
_SCALED = """
slices:
  - sources:
      - model: a
        layer_range: [0, 2]
  - sources:
      - model: a
        layer_range: [1, 3]
        parameters:
          scale: [{filter: o_proj, value: 0.0}, {filter: down_proj, value: 0.0}, {value: 1.0}]
  - sources:
      - model: a
        layer_range: [2, 4]
merge_method: passthrough
dtype: float32
"""
_CUT = """
slices:
  - sources:
      - {model: a, layer_range: [0, 2], parameters: {weight: 0.9}}
      - {model: b, layer_range: [0, 2], parameters: {weight: 0.1}}
  - sources:
      - {model: a, layer_range: [2, 4], parameters: {weight: 0.2}}
      - {model: c, layer_range: [1, 3], parameters: {weight: [0.8, 0.4]}}
merge_method: linear
dtype: float32
"""
_CUT_TIES = """
slices:
  - sources:
      - {model: base, layer_range: [0, 3]}
      - {model: a, layer_range: [0, 3], parameters: {weight: 0.5, density: 0.6}}
    parameters: {lambda: 0.5}
  - sources:
      - {model: base, layer_range: [2, 4]}
      - {model: b, layer_range: [2, 4], parameters: {weight: [0.5, 1], density: 0.4}}
merge_method: ties
base_model: base
parameters: {lambda: 1.0}
dtype: float32
"""
_LEVELS = """
merge_method: task_arithmetic
base_model: base
models:
  - model: a
    parameters:
      weight: [{filter: mlp, value: 0.2}, {filter: self_attn, value: [0.1, 0.9]}]
  - model: b
parameters:
  weight: [{filter: norm, value: 0}, {value: [1, 0.4]}]
  lambda: [{filter: q_proj, value: 0.5}, {value: 1.1}]
dtype: float32
"""
_TWO = "models: [{model: a, parameters: {weight: 0.3}}, {model: b, parameters: {weight: 0.9}}]\n"

RECIPES = {
    "slerp by module": LLAMA,
    "slerp plain": _bare("slerp", "t: 0.35", "models: [{model: base}, {model: a}]\n"),
    "slerp gradient": _bare("slerp", "t: [0, 0.2, 1]", "models: [{model: base}, {model: b}]\n"),
    "linear": _three("linear").replace("base_model: base\n", ""),
    "linear sum": _three("linear", shared="normalize: false").replace("base_model: base\n", ""),
    "linear cut": _CUT,
    "task arithmetic": _three("task_arithmetic", shared="lambda: 0.7"),
    "task arithmetic mean": _three("task_arithmetic", shared="normalize: true"),
    "task arithmetic levels": _LEVELS,
    "ties": _three("ties", ", density: 0.5", "normalize: true, int8_mask: true"),
    "ties densities": _three("ties", ", density: [1, 0.7, 0.1]"),
    "ties filters": _three("ties", ", density: [{filter: mlp, value: 0.3}, {value: 0.6}]"),
    "ties switch": _three("ties", ", density: 0.5", "normalize: [{filter: mlp, value: false},"
                          " {value: true}]"),
    "ties sum": _three("ties", ", density: 0.4", "normalize: false, lambda: 0.8"),
    "ties cut": _CUT_TIES,
    "ties rescaled": _three("ties", ", density: 0.4", "rescale: true"),
    "dare ties": _three("dare_ties", ", density: 0.53", "int8_mask: true"),
    "dare ties full": _three("dare_ties", ", density: 1"),
    "dare linear": _three("dare_linear", ", density: 0.4"),
    "dare linear full": _three("dare_linear", shared="lambda: 0.9"),
    "dare gradient": _three("dare_linear", ", density: [0.3, 0.8]"),
    "della": _three("della", ", density: 0.5, epsilon: 0.1", "lambda: 1.1"),
    "della linear": _three("della_linear", ", density: 0.5, epsilon: 0.2"),
    "breadcrumbs": _three("breadcrumbs", ", density: 0.9, gamma: 0.01"),
    "breadcrumbs ties": _three("breadcrumbs_ties", ", density: [0.5, 0.9], gamma: 0.05"),
    "sce": _bare("sce", "select_topk: 0.5"),
    "sce gradient": _bare("sce", "select_topk: [{filter: mlp, value: [0.3, 1]}, {value: 1}]"),
    "ram": _bare("ram", "epsilon: 2e-2"),
    "ram plus": _bare("ramplus_tl", "epsilon: 0.02, r: 0.2, alpha: 0.4"),
    "model stock": _bare("model_stock"),
    "model stock rows": _bare("model_stock", "filter_wise: true"),
    "karcher": _bare("karcher", "max_iter: 20, tol: 1e-6").replace("base_model: base\n", ""),
    "multislerp": _three("multislerp"),
    "multislerp origin": _three("multislerp").replace("base_model: base\n", ""),
    "nuslerp": _bare("nuslerp", "", _TWO),
    "nuslerp rows": _bare("nuslerp", "nuslerp_flatten: false", _TWO),
    "nearswap": _bare("nearswap", "t: 0.02", "models: [{model: base}, {model: a}]\n"),
    "arcee fusion": _bare("arcee_fusion", "", "models: [{model: base}, {model: a}]\n"),
    "frankenmerge": _STACK,
    "frankenmerge scaled": _SCALED,
}  # fmt: skip
DRAWN = ("dare ties", "dare linear", "dare gradient", "della", "della linear")
