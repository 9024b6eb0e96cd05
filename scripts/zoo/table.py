"""The README's tables of the bundled models, made from the cards: no number is typed by hand."""

import json
from pathlib import Path

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


def update(root: Path) -> None:
    """Write the tables between the markers of the README."""
    text = README.read_text("utf-8")
    head, rest = text.split(START, 1)
    tail = rest.split(END, 1)[1]
    README.write_text(f"{head}{START}\n{tables(root)}\n{END}{tail}", "utf-8")


def tables(root: Path) -> str:
    """Return the tables as Markdown."""
    cards = [json.loads((root / name / "card.json").read_text()) for name in ("gentle", "bold")]
    parts = [_tasks(cards), _merges(cards), _single(cards)]
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
        figures = " | ".join(_percent(cell) for cell in cells)
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
    base = " | ".join(_percent(c["scores"]["reporting"]["base_normalised"]) for c in cards)
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
        cells = " | ".join(_percent(card["single"][rate]) for card in cards)
        lines.append(f"| {rate} | {cells} |")
    return "\n".join(lines)


def _claim(claim: dict, name: str) -> str:
    scale = next((x for x in claim["recipe"].split("\n") if x.strip().startswith("scale:")), "")
    chosen = f", λ = {float(scale.split(':')[1]):g}" if scale and name != "sum" else ""
    return _percent(claim["mean"]) + chosen


def _percent(estimate: dict) -> str:
    value, low, high = (100 * estimate[k] for k in ("value", "low", "high"))
    return f"{value:.1f} ({low:.1f} to {high:.1f})"
