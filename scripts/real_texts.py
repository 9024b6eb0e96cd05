"""A tiny task of texts, made by templates: three questions about a few hundred short sentences."""

import random
from dataclasses import dataclass

WHO = ("my sister", "the neighbour", "our teacher", "an old friend", "the young man", "her aunt")
WHEN = {
    "past": ("yesterday", "last week", "an hour ago", "in spring"),
    "future": ("tomorrow", "next week", "in an hour", "before long"),
}
DOING = {
    "kitchen": (
        ("bake", "baked", "a loaf of bread"),
        ("chop", "chopped", "three onions"),
        ("stir", "stirred", "the tomato soup"),
        ("roast", "roasted", "a tray of carrots"),
        ("wash", "washed", "the frying pan"),
    ),
    "garden": (
        ("plant", "planted", "a row of tulips"),
        ("prune", "pruned", "the apple tree"),
        ("rake", "raked", "the dry leaves"),
        ("mow", "mowed", "the long grass"),
        ("water", "watered", "the tomato bed"),
    ),
}
QUESTIONS = {"place": ("kitchen", "garden"), "time": ("past", "future"), "kind": ("tell", "ask")}


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence and the answer to each question, as a place in ``QUESTIONS``."""

    text: str
    answers: dict[str, int]


def sentences(count: int, seed: int) -> list[Sentence]:
    """Return so many sentences, each question balanced; the seed decides which."""
    draw = random.Random(seed)
    made = []
    for number in range(count):
        answers = {name: (number >> bit) & 1 for bit, name in enumerate(QUESTIONS)}
        place, time, kind = (QUESTIONS[name][answers[name]] for name in ("place", "time", "kind"))
        verb, did, what = draw.choice(DOING[place])
        who, when = draw.choice(WHO), draw.choice(WHEN[time])
        if kind == "ask":
            start = "did" if time == "past" else "will"
            text = f"{start} {who} {verb} {what} {when}?"
        else:
            text = f"{who} {did if time == 'past' else f'will {verb}'} {what} {when}."
        made.append(Sentence(text.capitalize(), answers))
    draw.shuffle(made)
    return made
