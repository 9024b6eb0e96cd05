"""References to models in mergekit's format: ``path@revision+adapter`` or in parts."""

from collections.abc import Mapping

from merging.errors import RecipeError

PARTS = ("model", "lora", "override_architecture")
PATH = ("path", "revision")


def reference(value: object, where: str) -> str:
    """Return the id of a model: ``path``, ``path@revision``, with ``+`` and an adapter.

    Args:
        value: A text, or a mapping with model and lora, each a text or path and revision.
        where: Prefix of messages.

    Raises:
        RecipeError: It is neither, has two adapters, two revisions or a part of the wrong kind.
    """
    if isinstance(value, Mapping):
        return _in_parts(value, where)
    if not isinstance(value, str) or not value:
        raise RecipeError(f"{where} is {value!r:.60}; it must be the path of a model folder.")
    if value.count("+") > 1:
        raise RecipeError(f"{where} {value!r:.60} names two adapters (+). Keep one.")
    if any(part.count("@") > 1 for part in value.split("+")):
        raise RecipeError(f"{where} {value!r:.60} names two revisions (@). Keep one.")
    if not all(part.split("@")[0] for part in value.split("+")):
        raise RecipeError(f"{where} {value!r:.60} lacks a path before + or @.")
    return value


def _in_parts(value: Mapping[str, object], where: str) -> str:
    if "path" in value:
        return reference(_path(value, where), where)
    for key in value:
        if key not in PARTS:
            raise RecipeError(f"{where}: {key!r:.40} is no part of a model. Known: {PARTS}.")
    if "model" not in value:
        raise RecipeError(f"{where} in parts has no model. Add {{model: path}}.")
    if value.get("override_architecture") is not None:
        raise RecipeError(
            f"{where}: override_architecture tells mergekit to read a model as another kind; here "
            "names and shapes of tensors decide. Leave it out."
        )
    model = _path(value["model"], where)
    lora = value.get("lora")
    return reference(model if lora is None else f"{model}+{_path(lora, where)}", where)


def _path(value: object, where: str) -> str:
    if isinstance(value, str):
        return value
    if not isinstance(value, Mapping) or not isinstance(value.get("path"), str):
        raise RecipeError(f"{where} is {value!r:.60}; it must be a path, or {{path, revision}}.")
    extra = next((key for key in value if key not in PATH), None)
    if extra is not None:
        raise RecipeError(f"{where}: {extra!r:.40} is no part of a path. Known: path, revision.")
    revision = value.get("revision")
    if revision is not None and not isinstance(revision, str):
        raise RecipeError(f"{where}: the revision {revision!r:.40} must be a text in quotes.")
    return f"{value['path']}@{revision}" if revision else str(value["path"])
