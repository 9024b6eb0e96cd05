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
    cards = [json.loads((root / name / "card.json").read_text()) for name in ("gentle", "bold")]
    stranger = json.loads((root / "stranger" / "card.json").read_text())
    parts = [_tasks(cards), _merges(cards), _single(cards), _strangers(stranger)]
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
