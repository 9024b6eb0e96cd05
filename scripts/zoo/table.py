"""The README's tables of the bundled models, made from the cards: no number is typed by hand."""

import json
from pathlib import Path
from statistics import median

START, END = "<!-- zoo table -->", "<!-- end of zoo table -->"
README = Path(__file__).resolve().parents[2] / "README.md"
CLAIMS = {
    "sum": "All five added, λ = 1",
    "average": "Average",
    "task_arithmetic": "Task arithmetic",
    "ties": "TIES, density 0.2",
    "dare": "DARE, drop rate 0.9",
    "dare_ties": "DARE + TIES, drop rate 0.9",
}
TEACHING = ("weak", "twin", "narrow", "sparse", "checkpoints")
STRANGER_CLAIMS = {
    "average_of_bases": "Average of digits expert and stranger base",
    "average": "Average of digits expert and stranger digits",
    "task_arithmetic": "Task arithmetic of both",
    "git_rebasin": "Git Re-Basin of both",
    "pleas": "PLeaS of both",
}


def update(root: Path) -> None:
    """Write the tables between the markers of the README."""
    text = README.read_text("utf-8")
    head, rest = text.split(START, 1)
    tail = rest.split(END, 1)[1]
    README.write_text(f"{head}{START}\n{tables(root)}\n{END}{tail}", "utf-8")


def tables(root: Path) -> str:
    """Return the tables as Markdown."""
    cards = [_card(root, name) for name in ("gentle", "bold")]
    stranger = _card(root, "stranger")
    parts = [_tasks(cards), _merges(cards), _single(cards), _strangers(stranger)]
    if all((root / name / "card.json").exists() for name in TEACHING):
        parts.append(_teaching([_card(root, name) for name in TEACHING]))
    return "\n\n".join(parts)


def _tasks(cards: list[dict]) -> str:
    lines = [
        "Accuracy on the reporting half, in per cent, with 95 % intervals:",
        "",
        "| task | base | gentle expert | bold expert | source | licence |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    scores = [card["scores"]["reporting"] for card in cards]
    for task in cards[0]["tasks"]:
        name = task["id"]
        cells = [scores[0]["base"][name], scores[0]["own"][name], scores[1]["own"][name]]
        figures = " | ".join(percent_cell(cell) for cell in cells)
        lines.append(f"| {task['label']} | {figures} | {task['source']} | {task['licence']} |")
    return "\n".join(lines)


def _merges(cards: list[dict]) -> str:
    lines = [
        "What merges of all five experts keep: accuracy as a share of the own expert's, mean",
        "over tasks, reporting half. λ was chosen on the tuning half.",
        "",
        "| merge | gentle | bold |",
        "| --- | --- | --- |",
    ]
    base = " | ".join(percent_cell(c["scores"]["reporting"]["base_normalised"]) for c in cards)
    lines.append(f"| Untouched base | {base} |")
    for claim, label in CLAIMS.items():
        cells = " | ".join(_claim(card["claims"][claim], claim) for card in cards)
        lines.append(f"| {label} | {cells} |")
    return "\n".join(lines)


def _single(cards: list[dict]) -> str:
    lines = [
        "What DARE leaves of single experts (mean over the five, λ = 1):",
        "",
        "| drop rate | gentle | bold |",
        "| --- | --- | --- |",
    ]
    for rate in cards[0]["single"]:
        cells = " | ".join(percent_cell(card["single"][rate]) for card in cards)
        lines.append(f"| {rate} | {cells} |")
    return "\n".join(lines)


def _strangers(card: dict) -> str:
    known, far = card["strangers"]["reporting"], card["distances"]
    lines = [
        "Strangers: a base and a digits expert that began with other first weights. Digits and the",
        "mean over all tasks, reporting half; λ and ρ were chosen on the tuning half.",
        "",
        "| model | digits | mean of tasks |",
        "| --- | --- | --- |",
    ]
    lines += [
        _two(f"{label}, {heads}", known[name][key])
        for name, label in (("stranger_base", "Stranger base"), ("stranger", "Stranger digits"))
        for key, heads in (("own_heads", "heads of its own"), ("first_heads", "the set's heads"))
    ]
    lines += [
        _two(label + _chosen(card["claims"][key]), card["claims"][key]["accuracy"])
        for key, label in STRANGER_CLAIMS.items()
    ]
    digits = sorted(seed["digits"] for seed in card["seeds"])
    better = sum(d > card["claims"]["average"]["accuracy"]["digits"]["value"] for d in digits)
    lines += [
        "",
        f"Over {len(digits)} seeds, which draw the order of matching, Git Re-Basin gets "
        f"{100 * digits[0]:.1f} to {100 * digits[-1]:.1f} %",
        f"of the digits right, with a median of {100 * median(digits):.1f} %; {better} of them are "
        "above the plain average,",
        "and all are far below either model.",
        "",
        "Aligning brings the stranger's weights from a distance of "
        f"{far['digits_before']:.1f} to {far['digits_after']:.1f} of the digits",
        f"expert's, and from {far['base_before']:.1f} to {far['base_after']:.1f} of the base's.",
    ]
    return "\n".join(lines)


def _teaching(cards: list[dict]) -> str:
    lines = [
        "Sets for teaching, reporting half, in per cent. The first two are scored as the mean of",
        "five tasks, the others on the one task of their experts; λ was chosen on the tuning half.",
        "",
        "| set | scored on | base | experts alone | their average | task arithmetic |",
        "| --- | --- | --- | --- | --- | --- |",
        *(_row(card) for card in sorted(cards, key=lambda card: "alone" in card)),
    ]
    cycles = next(card for card in cards if "sparse" in card)["sparse"]["cycles"]
    last = cycles[-1]
    found, zeros = last["reporting"], f"{100 * last['sparsity']:.0f} %"
    lines += [
        "",
        f"The sparse set's next cycle prunes the average further, to {zeros} zeros "
        f"({100 * found['parent']['scripts']:.1f} % of the scripts right),",
        "trains three copies again ("
        + ", ".join(f"{100 * found[f'copy{i}']['scripts']:.1f}" for i in (1, 2, 3))
        + f" %) and averages them ({100 * found['soup']['scripts']:.1f} %).",
    ]
    return "\n".join(lines)


def _row(card: dict) -> str:
    scores = card["scores"]["reporting"]
    task = card["experts"][0]["task"] if "alone" in card else ""
    alone = [scores["own"]]
    if task:
        alone = [card["alone"]["reporting"][e["id"]] for e in card["experts"]]
    cells = [
        task or "mean",
        _points(scores["base"], task),
        ", ".join(_points(found, task) for found in alone),
        _points(card["claims"]["average"]["accuracy"], task),
        _points(card["claims"]["task_arithmetic"]["accuracy"], task)
        + _chosen(card["claims"]["task_arithmetic"]),
    ]
    return f"| {card['label']} | {' | '.join(cells)} |"


def _points(accuracy: dict, task: str) -> str:
    """The accuracy on a task, or its mean over all, in per cent."""
    values = [found["value"] for name, found in accuracy.items() if task in ("", name)]
    return f"{100 * sum(values) / len(values):.1f}"


def _card(root: Path, name: str) -> dict:
    return json.loads((root / name / "card.json").read_text())


def _two(label: str, accuracy: dict) -> str:
    mean = sum(a["value"] for a in accuracy.values()) / len(accuracy)
    return f"| {label} | {percent_cell(accuracy['digits'])} | {100 * mean:.1f} |"


def _chosen(claim: dict) -> str:
    """The strength or ratio of a merge, where it was chosen."""
    for line in claim["recipe"].split("\n"):
        key, _, value = line.strip().partition(": ")
        if key in ("scale", "ratio"):
            return f", {'λ' if key == 'scale' else 'ρ'} = {float(value):g}"
    return ""


def _claim(claim: dict, name: str) -> str:
    return percent_cell(claim["mean"]) + (_chosen(claim) if name != "sum" else "")


def percent_cell(estimate: dict) -> str:
    """Return a share in per cent with its interval."""
    value, low, high = (100 * estimate[k] for k in ("value", "low", "high"))
    return f"{value:.1f} ({low:.1f} to {high:.1f})"
