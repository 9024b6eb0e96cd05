"""Own data scored: against logits and class means by hand, with halves and noise."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import BertConfig, BertForSequenceClassification, LlamaConfig, LlamaForCausalLM

from merging.errors import Cancelled, EvaluationError
from merging.evaluation import wilson
from merging.evaluation.own_data import OwnData, Row
from merging.evaluation.own_models import OpenedModel
from merging.evaluation.own_scores import OwnScore, perplexity_gap, score_own

WORDS = [f"w{i}" for i in range(20)]
SIZES = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1}


def tokenizer(count: int = 20) -> Tokenizer:
    found = Tokenizer(WordLevel({w: i % count for i, w in enumerate(WORDS)}, unk_token="w0"))
    found.pre_tokenizer = Whitespace()
    return found


def language_model() -> OpenedModel:
    torch.manual_seed(0)
    config = LlamaConfig(vocab_size=20, num_attention_heads=2, **SIZES)
    return OpenedModel("lm", LlamaForCausalLM(config).eval(), {}, tokenizer())


def classifier(labels: dict[int, str]) -> OpenedModel:
    torch.manual_seed(1)
    config = BertConfig(vocab_size=20, num_attention_heads=2, id2label=labels, **SIZES)
    return OpenedModel("head", BertForSequenceClassification(config).eval(), {}, tokenizer())


def texts(count: int, *targets: str) -> tuple[Row, ...]:
    source = np.random.default_rng(5)
    lines = [" ".join(source.choice(WORDS, 6)) for _ in range(count)]
    return tuple(Row(t, targets[i % len(targets)] if targets else "") for i, t in enumerate(lines))


def nats(opened: OpenedModel, ids: list[int], begin: int) -> float:
    with torch.no_grad():
        chances = opened.model(input_ids=torch.tensor([ids])).logits[0].double().softmax(-1)
    return -sum(float(chances[i - 1, ids[i]].log()) for i in range(begin, len(ids)))


def test_perplexity_is_exp_of_the_mean_over_tokens_after_the_first() -> None:
    opened, data = language_model(), OwnData("text", texts(12))
    score = score_own(opened, data)
    rows = data.of("reporting")
    ids = [opened.tokenizer.encode(row.text).ids for row in rows]
    wanted = [nats(opened, one, 1) for one in ids]
    assert score.nats == pytest.approx(wanted) and score.tokens.tolist() == [5.0] * len(rows)
    found = score.perplexity()
    assert found.value == pytest.approx(np.exp(sum(wanted) / (5 * len(rows))))
    assert found.low < found.value < found.high
    with pytest.raises(EvaluationError, match="no right and wrong"):
        score.accuracy()


def test_answers_are_read_after_their_prompt_and_right_where_all_tokens_are() -> None:
    opened = language_model()
    prompt = next(f"w1 w{i}" for i in range(20) if Row(f"w1 w{i}").half == "reporting")
    ids = opened.tokenizer.encode(prompt).ids
    with torch.no_grad():
        likely = int(opened.model(input_ids=torch.tensor([ids])).logits[0, -1].argmax())
    other = (likely + 1) % 20
    rows = (Row(prompt, f"w{likely}"), Row(prompt, f"w{other} w3"))
    score = score_own(opened, OwnData("answers", rows))
    assert score.correct.tolist() == [True, False] and score.tokens.tolist() == [1.0, 2.0]
    assert score.nats[1] == pytest.approx(nats(opened, [*ids, other, 3], 2))
    assert score.accuracy() == wilson(1, 2)


def test_labels_by_the_head_are_those_of_its_names_or_numbers() -> None:
    opened = classifier({0: "Bad", 1: "Good"})
    for labels in (("bad", "GOOD"), ("0", "1")):
        data = OwnData("labels", texts(20, *labels))
        score = score_own(opened, data)
        rows = data.of("reporting")
        with torch.no_grad():
            asked = [torch.tensor([opened.tokenizer.encode(r.text).ids]) for r in rows]
            found = [int(opened.model(input_ids=ids).logits.argmax()) for ids in asked]
        right = [f == labels.index(r.target) for f, r in zip(found, rows, strict=True)]
        assert score.correct.tolist() == right and score.way == "head"
    with pytest.raises(EvaluationError, match="'fine' is none of head, whose head tells Bad, Good"):
        score_own(opened, OwnData("labels", texts(8, "fine", "bad")))


def test_without_a_head_the_nearest_class_mean_of_the_other_half_tells() -> None:
    """Embeddings stand in for a model: the first token alone says the class."""

    def model(input_ids, output_hidden_states):
        first = input_ids[0, 0].item() % 2
        state = torch.tensor([[[1.0, 0.0], [0.0, 1.0]][first]] * input_ids.shape[1])
        return SimpleNamespace(hidden_states=(None, state[None]))

    opened = OpenedModel("means", _Called(model), {}, tokenizer())
    rows = texts(40)
    named = tuple(Row(r.text, "odd" if int(r.text[1:].split()[0]) % 2 else "even") for r in rows)
    score = score_own(opened, OwnData("labels", named))
    assert score.way == "means" and score.correct.all() and len(score.correct) > 10
    swapped = tuple(
        Row(r.text, ("odd", "even")[r.target == "odd"]) if r.half == "reporting" else r
        for r in named
    )
    assert not score_own(opened, OwnData("labels", swapped)).correct.any()


class _Called(torch.nn.Module):
    def __init__(self, answer) -> None:
        super().__init__()
        self.answer, self.config = answer, SimpleNamespace(vocab_size=20)

    def forward(self, **inputs):
        return self.answer(**inputs)


def test_only_so_many_rows_are_scored_and_that_is_told() -> None:
    data = OwnData("text", texts(40))
    score = score_own(language_model(), data, most=5)
    total = len(data.of("reporting"))
    assert len(score.nats) == 5 and score.notes == (
        f"{total - 5} of {total} rows were not scored, to save time.",
    )


def test_a_gap_is_paired() -> None:
    source = np.random.default_rng(0)
    nats_of, tokens = source.uniform(1, 50, 30), np.full(30, 10.0)
    first = OwnScore("text", nats=nats_of + 1, tokens=tokens)
    other = OwnScore("text", nats=nats_of, tokens=tokens)
    gap = perplexity_gap(first, other)
    assert gap.value == pytest.approx(first.perplexity().value - other.perplexity().value)
    assert 0 < gap.low < gap.value < gap.high
    own = first.perplexity()
    assert gap.high - gap.low < (own.high - own.low) / 3
    assert perplexity_gap(first, first) == pytest.approx((0, 0, 0)) or perplexity_gap(
        first, first
    ).high == pytest.approx(0)
    with pytest.raises(EvaluationError, match="different rows"):
        perplexity_gap(first, OwnScore("text", nats=nats_of[:5], tokens=tokens[:5]))
    with pytest.raises(EvaluationError, match="no perplexity"):
        OwnScore("labels", correct=np.ones(3, bool)).perplexity()


def test_models_that_cannot_read_these_rows() -> None:
    opened = language_model()
    blind = OpenedModel("blind", opened.model, {})
    with pytest.raises(EvaluationError, match=r"blind has no tokenizer.json"):
        score_own(blind, OwnData("text", texts(4)))
    wrong = OpenedModel("wrong", classifier({0: "a", 1: "b"}).model, {}, tokenizer())
    with pytest.raises(
        EvaluationError, match="is a BertForSequenceClassification, which predicts no next token"
    ):
        score_own(wrong, OwnData("text", texts(8)))
    more = Tokenizer(WordLevel({w: i + 9 for i, w in enumerate(WORDS)}, unk_token="w0"))
    more.pre_tokenizer = Whitespace()
    with pytest.raises(EvaluationError, match="its vocabulary has 20"):
        score_own(OpenedModel("far", opened.model, {}, more), OwnData("text", texts(8)))
    row = next(Row(w) for w in WORDS if Row(w).half == "reporting")
    with pytest.raises(EvaluationError, match="leaves no token to predict"):
        score_own(opened, OwnData("text", (row, row)))


def test_cancel_goes_through() -> None:
    def stop(fraction: float, message: str) -> None:
        raise Cancelled("Cancelled.")

    with pytest.raises(Cancelled):
        score_own(language_model(), OwnData("text", texts(8)), stop)
