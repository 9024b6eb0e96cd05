"""Numbers to sentences: the verdict above every plot. Pure."""

from merging.analysis import Figure
from merging.evaluation import Estimate
from merging.methods.params import Value
from merging.recipe import Recipe
from merging.sketch import Preview

SAME_SHARE = 0.005  # shares of changes kept that differ by less are told as one
COUNTS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def percent(share: float, digits: int = 0) -> str:
    """Return a share in words of per cent: 0.837 is "84 %"."""
    return f"{100 * share:.{digits}f} %"


def points(gap: float) -> str:
    """Return a difference of shares in points, with its sign."""
    return f"{signed(gap)} points"


def signed(gap: float) -> str:
    """Return a difference of shares times 100, with its sign."""
    return f"{100 * gap:+.1f}".replace("-", "−")


def unbroken(text: str) -> str:
    """Return text with numbers kept on the line of their unit and of their symbol."""
    for mark in (" %", " ×", "× ", " nats", " = "):
        text = text.replace(mark, mark.replace(" ", "\N{NO-BREAK SPACE}"))
    return text


def count_word(count: int) -> str:
    """Return a small number as a word."""
    return COUNTS[count] if count < len(COUNTS) else str(count)


def settings_line(recipe: Recipe) -> str:
    """Return a recipe in one line: method, what was set, experts."""
    spec, settings = recipe.spec, recipe.settings()
    shown = [spec.label]
    defaults = spec.defaults("paper")
    for param in spec.active(settings):
        value = settings.common[param.name]
        if any(param.name in dict(e.params) for e in recipe.experts):
            shown.append(f"{param.symbol or param.label} {_each(recipe, param.name)}")
        elif not param.advanced and not (param.later and value == param.default):
            shown.append(f"{param.symbol or param.label} {number(value)}")
        elif param.advanced and value != defaults[param.name]:
            shown.append(f"{param.label.lower()} {number(value)}")
    shown.append(experts_words(recipe))
    weights = [f"{e.id} {number(e.weight)}" for e in recipe.experts if e.weight != 1]
    if weights:
        shown.append("weights " + ", ".join(weights))
    if recipe.spec.random and recipe.seed:
        shown.append(f"draw {recipe.seed}")
    return " · ".join(shown)


def settings_of(recipe: Recipe, mine: Recipe) -> str:
    """Return the settings of a recipe in words, with its set where that is not mine."""
    line = settings_line(recipe)
    return line if recipe.set == mine.set else f"{line}, set {recipe.set}"


def _each(recipe: Recipe, name: str) -> str:
    """Return what each expert has of a setting."""
    values = recipe.settings().each[name]
    pairs = zip(recipe.experts, values, strict=True)
    return ", ".join(f"{expert.id} {number(value)}" for expert, value in pairs)


def experts_words(recipe: Recipe) -> str:
    """Return how many experts a recipe has, and their order where the method minds it."""
    ids = [e.id for e in recipe.experts]
    if len(ids) == 1:
        return "1 expert"
    return f"{len(ids)} experts" if recipe.spec.symmetric else " → ".join(ids)


def unlike_the_paper(recipe: Recipe) -> list[str]:
    """Return the detailed settings that make a recipe another method than the formula shows."""
    settings, paper = recipe.settings(), recipe.spec.defaults("paper")
    return [
        f"{p.label.lower()}: {number(settings.common[p.name])}"
        for p in recipe.spec.active(settings)
        if p.advanced and settings.common[p.name] != paper[p.name]
    ]


def number(value: Value) -> str:
    """Return a parameter's value as text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, int | float) else value.replace("_", " ")


def what_was_done(recipe: Recipe) -> str:
    """Return the recipe as the subject of a sentence."""
    count = len(recipe.experts)
    who = "the one expert" if count == 1 else f"{count_word(count)} experts"
    plain = all(e.weight == 1 for e in recipe.experts)
    if recipe.method == "task_arithmetic" and plain and recipe.settings().number("scale") == 1:
        every = "the one expert" if count == 1 else f"all {count_word(count)} experts"
        return f"Adding {every} at full strength"
    if recipe.method == "linear":
        return f"Averaging {who}"
    scale = recipe.settings().common.get("scale")
    strength = "" if scale is None else f" at λ = {number(scale)}"
    return f"{recipe.spec.label} of {who}{strength}"


def verdict(
    recipe: Recipe,
    mean: Estimate,
    base: Estimate,
    lead: Estimate,
    gap: Estimate | None,
    pinned: str = "",
    per_task: bool = False,
    note: str = "",
    all_merged: bool = True,
) -> str:
    """Return what a scored merge keeps, against the base and the pinned run.

    Args:
        recipe: What was merged.
        mean: Mean normalised score of the merge.
        base: The same of the untouched base.
        lead: Merge minus base, paired.
        gap: Merge minus pinned run, or None when nothing else is pinned.
        pinned: Name of the pinned run.
        per_task: Each task was scored with its own model.
        note: What the method told of itself, for example who is in a soup.
        all_merged: Every task has its expert in the recipe.
    """
    own = ", each task with a model of its own," if per_task else ""
    told = f" ({note})" if note else ""
    whose = "its experts" if all_merged else "the experts of all tasks"
    text = (
        f"{what_was_done(recipe)}{told}{own} keeps {percent(mean.value)} of what {whose} can do "
        f"(95 % interval {100 * mean.low:.0f} to {percent(mean.high)}). "
        f"Against the untouched base, which keeps {percent(base.value)}: {_gap_words(lead)}."
    )
    return text if gap is None else f"{text} Against {pinned}: {_gap_words(gap)}."


def _gap_words(gap: Estimate) -> str:
    """Return a difference in points, with its interval or that noise explains it."""
    if gap.low <= 0 <= gap.high:
        return f"{points(gap.value)}, within noise"
    low, high = (signed(end) for end in (gap.low, gap.high))
    return f"{points(gap.value)} ({low} to {high})"


def weights_sentence(recipe: Recipe, shown: Preview) -> str:
    """Return what a recipe does to the weights: what is kept, what clashes, how far it moves."""
    kept = sum(e.kept.value for e in shown.experts) / len(shown.experts)
    energy = sum(e.energy.value for e in shown.experts) / len(shown.experts)
    spec = recipe.spec
    if spec.whole:
        text = f"{spec.label} works on whole models: what it keeps, only merging tells. "
    elif spec.sparsify is None and spec.trim is None:
        text = ""
    elif kept > 0.9999:
        text = "Every change of every expert is kept. "
    else:
        apart = max(e.kept.value for e in shown.experts) - min(e.kept.value for e in shown.experts)
        whose = (
            "of each expert's changes"
            if apart < SAME_SHARE
            else "of an expert's changes, on average,"
        )
        text = (
            f"{percent(kept, 1)} {whose} are kept, with {percent(energy)} of their squared length. "
        )
    text += conflict_sentence(shown)
    if shown.length is None:
        return text
    return f"{text} The merged change is {shown.length.value:.2f} × as long as one expert's."


def live_line(shown: Preview) -> str:
    """Return kept share, clash and chance in a few words."""
    kept = sum(e.kept.value for e in shown.experts) / len(shown.experts)
    text = "kept: after merging" if shown.length is None else f"changes kept {percent(kept, 1)}"
    share, chance = shown.whole.share, shown.whole.chance
    if share is None or chance is None or shown.whole.too_few:
        return text
    return f"{text} · signs clash {percent(share.value, 1)} · coin toss {percent(chance.value, 1)}"


def error_words(figure: Figure) -> str:
    """Return how well a share is known: exactly, or within its 95 % interval."""
    if figure.exact:
        return "Exact."
    return f"Estimated, 95 % interval {100 * figure.low:.1f} to {percent(figure.high, 1)}."


def conflict_sentence(shown: Preview) -> str:
    """Return how often surviving signs clash, beside what coin tosses would give."""
    if len(shown.experts) < 2:
        return "With one expert there is nobody to disagree with."
    share, chance = shown.whole.share, shown.whole.chance
    if share is None or chance is None or shown.whole.too_few:
        return "Too few weights are kept by two or more experts to speak of conflict."
    return (
        f"Where two or more experts meet, signs clash at {percent(share.value, 1)} of the weights; "
        f"coin tosses would clash at {percent(chance.value, 1)}."
    )
