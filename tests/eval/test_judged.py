"""Metrics that ask a classifier, against PyTorch's answers and loops written anew."""

from __future__ import annotations

import math
from bisect import bisect_left
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baco_core.cli import main
from baco_core.config import Part
from baco_core.errors import BacoError, ConfigError
from baco_core.plugins import load_plugins
from baco_eval.metrics.classes import DistinctK, SemanticEntropy, entropy
from baco_eval.metrics.inference import Nli, weights_of
from baco_eval.metrics.metric import NotMeasured, Unavailable
from baco_eval.metrics.quality import Relevance
from baco_eval.metrics.reward import Reward, Utility
from baco_eval.models.classifier import Classifier, open_classifier
from baco_eval.records import Prompt
from baco_eval.scoring.record import read_record

helper: Any = pytest.importorskip("made_classifier")
PROMPT = Prompt("p", "the cat saw the sea .")
TEXTS = [
    "the cat sat in a boat and saw the sea",
    "a dog ran to the sea",
    "the cat sat in a boat and saw the sea",
    "red",
    "",
    "the big red dog ran " * 20,
]
PATTERN = [0, 1, 0, 0, 2, 3, 4, 2, 0, 0]
WORDS = ["red big", "dog", "boat", "sea ran", "cat"]
LABELS = {"nli": ("entailment", "neutral", "contradiction"), "similar": ("a", "b"), "reward": ("LABEL_0",)}
Models = dict[str, tuple[Path, str]]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    """Return, by use, a small model's source and the folder it was exported to."""
    from baco_exporters.classifier import CLASSIFIER
    from baco_exporters.progress import quiet
    from baco_exporters.text_model import export_text_model

    folder = tmp_path_factory.mktemp("judges")
    found = {}
    for name, labels in LABELS.items():
        source = helper.classifier_folder(folder / f"{name}-source", "bert", labels)
        with quiet(folder / "log") as progress:
            export_text_model(CLASSIFIER, str(source), folder / name, progress)
        found[name] = source, str(folder / name)
    return found


def softmax(logits: Any) -> Any:
    return np.exp(logits) / np.exp(logits).sum()


@pytest.mark.parametrize("rule", ["label", "probability"])
def test_nli_is_a_mean_over_ordered_pairs(models: Models, rule: str) -> None:
    source, folder = models["nli"]
    texts = [TEXTS[0], TEXTS[1], TEXTS[3]]
    values = []
    for premise in range(3):
        for hypothesis in range(3):
            if premise == hypothesis:
                continue
            entails, _, contradicts = softmax(helper.theirs(source, texts[premise], texts[hypothesis]))
            likeliest = (entails, _, contradicts).index(max(entails, _, contradicts))
            values.append(likeliest - 1 if rule == "label" else contradicts - entails)
    found = Nli(folder, rule).measure(texts, PROMPT)  # type: ignore[arg-type]
    assert found == pytest.approx(np.mean(values), abs=1e-6)
    assert len(set(values)) > 1


def test_equal_texts_are_judged_once_and_counted_as_often(
    models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def logits(self: Classifier, first: str, second: str) -> Any:
        asked.append((first, second))
        return np.array([1.0 if first == second else 0.0, 0.5, 0.0 if first == second else 1.0])

    monkeypatch.setattr(Classifier, "logits", logits)
    found = Nli(models["nli"][1]).measure(["a", "a", "b"], PROMPT)
    assert asked == [("a", "a"), ("a", "b"), ("b", "a")]
    assert found == pytest.approx((2 * -1 + 4 * 1) / 6)


def test_labels_of_inference_are_known_in_any_order_and_case() -> None:
    assert weights_of(["CONTRADICTION", "NEUTRAL", "ENTAILMENT"], "m") == [1, 0, -1]
    assert weights_of(["Entailment", "contradiction", "neutral"], "m") == [-1, 1, 0]


@pytest.mark.parametrize(
    "labels", [["LABEL_0", "LABEL_1", "LABEL_2"], ["entailment", "not_entailment"], ["neutral"] * 3]
)
def test_other_labels_are_no_inference(labels: list[str]) -> None:
    with pytest.raises(
        ConfigError, match=f"classifier 'm' has the labels {', '.join(labels)}; a model of inf"
    ):
        weights_of(labels, "m")


def test_reward_is_the_mean_of_pytorchs(models: Models) -> None:
    source, folder = models["reward"]
    expected = np.mean([float(helper.theirs(source, PROMPT.text, text)[0]) for text in TEXTS if text])
    found = Reward(folder).measure([text for text in TEXTS if text], PROMPT)
    assert found == pytest.approx(expected, abs=1e-5)
    assert Reward(folder).measure(TEXTS, PROMPT) != found  # an empty answer is an answer


def test_an_answer_is_judged_once(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = open_classifier(Path(models["reward"][1]).resolve())
    first = opened.reply_logits(PROMPT.text, TEXTS[0])
    monkeypatch.setattr(Classifier, "logits", lambda *_: pytest.fail("it was judged before"))
    assert (opened.reply_logits(PROMPT.text, TEXTS[0]) == first).all()


def similar(source: Path, first: str, second: str) -> float:
    """Return P(similar) as NoveltyBench asks for it: [CLS] a [SEP] b [SEP], 128 tokens of each."""
    reader = helper.transformers.AutoTokenizer.from_pretrained(source, local_files_only=True)
    halves = [reader.encode(text, add_special_tokens=False)[:128] for text in (first, second)]
    ids = [2, *halves[0], 3, *halves[1], 3]
    types = [0] * (len(halves[0]) + 2) + [1] * (len(halves[1]) + 1)
    read = {"input_ids": ids, "token_type_ids": types, "attention_mask": [1] * len(ids)}
    tensors = {name: helper.torch.tensor([row]) for name, row in read.items()}
    return float(softmax(helper.their_logits(source, tensors))[1])


def classes_anew(source: Path, texts: list[str], above: float) -> list[int]:
    """Partition by the rule as the reference states it, in another way than the library does."""
    firsts: list[str] = []
    free = dict(enumerate(texts))
    found = [0] * len(texts)
    while free:
        first = free.pop(min(free))
        found[texts.index(first)] = len(firsts)
        for place, text in list(free.items()):
            words, others = first.lower().split(), text.lower().split()
            if max(len(words), len(others)) <= 5:
                same = 2 * len(set(words) & set(others)) >= max(len(words), len(others))
            else:
                same = similar(source, first, text) > above
            if same:
                found[place] = len(firsts)
                del free[place]
        firsts.append(first)
    return found


@pytest.mark.parametrize("above", [0.0, 0.3, 0.5, 0.7, 1.0])
def test_the_classifiers_rule_makes_the_classes_of_another_partition(models: Models, above: float) -> None:
    source, folder = models["similar"]
    texts = [text for text in dict.fromkeys(TEXTS) if len(text) < 100]
    metric = DistinctK("classifier", folder, above)
    classes = metric.classes(texts)
    assert classes == classes_anew(source, texts, above)
    assert metric.measure(texts, PROMPT) == len(set(classes))
    assert SemanticEntropy("classifier", folder, above).measure(texts, PROMPT) == entropy(classes)


def test_short_texts_do_not_ask_the_classifier(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Classifier, "logits", lambda *_, **__: pytest.fail("short texts need no model"))
    metric = DistinctK("classifier", models["similar"][1])
    assert metric.classes([WORDS[number] for number in PATTERN]) == PATTERN


def judged(monkeypatch: pytest.MonkeyPatch, reward: float) -> list[str]:
    """Let every answer have this reward; return the answers that are asked about."""
    asked: list[str] = []

    def reply(self: Classifier, prompt: str, answer: str) -> Any:
        asked.append(answer)
        return np.array([reward])

    monkeypatch.setattr(Classifier, "reply_logits", reply)
    return asked


def test_utility_has_the_check_values_of_noveltybench(
    models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = judged(monkeypatch, 0.0)  # above every cut: 10 points
    metric = Utility(model=models["reward"][1])
    same, pattern = ["the cat"] * 10, [WORDS[number] for number in PATTERN]
    assert metric.measure(same, PROMPT) == pytest.approx(2.2405804992, abs=5e-11)
    assert metric.measure(pattern, PROMPT) == pytest.approx(6.2723348234, abs=5e-11)
    assert asked == ["the cat", *WORDS]  # only who opens a class has points


def test_utility_has_the_cuts_patience_and_partition_it_is_told(models: Models) -> None:
    source, folder = models["reward"]
    texts, cuts, patience = [TEXTS[0], TEXTS[1], TEXTS[2], TEXTS[3]], (-1.0, 0.0, 0.25), 0.5
    metric = Utility("classifier", models["similar"][1], 0.5, folder, cuts, patience)
    classes = classes_anew(models["similar"][0], [TEXTS[0], TEXTS[1], TEXTS[3]], 0.5)
    classes.insert(2, 0)  # the third text is the first again
    total = 0.0
    for place, (text, number) in enumerate(zip(texts, classes, strict=True)):
        if number not in classes[:place]:
            points = 1 + bisect_left(cuts, float(helper.theirs(source, PROMPT.text, text)[0]))
            total += patience**place * points
    expected = total * (1 - patience) / (1 - patience**4)
    assert metric.measure(texts, PROMPT) == pytest.approx(expected)
    assert set(metric.models()) == {"model", "similarity"}


NAMES = {"nli": "nli", "reward": "reward", "utility": "reward", "distinct-k": "similar"}


@pytest.mark.parametrize(("name", "wrong"), [*zip(NAMES, ["reward", "nli", "similar", "nli"], strict=True)])
def test_a_model_of_another_kind_is_one_clear_line(models: Models, name: str, wrong: str) -> None:
    option = {"similarity": models[wrong][1], "rule": "classifier"}
    options = option if name == "distinct-k" else {"model": models[wrong][1]}
    metric = load_plugins(only=("metrics",)).metrics.build(Part(name, options), "metric")
    with pytest.raises(ConfigError, match=rf"classifier '.*{wrong}' has") as caught:
        metric.measure([TEXTS[0], TEXTS[1]], PROMPT)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("metric", "flag"),
    [
        (Nli(), "--classifier FacebookAI/roberta-large-mnli"),
        (Reward(), "--classifier Skywork/Skywork-Reward-Gemma-2-27B-v0.2"),
        (Utility(), "--classifier Skywork/Skywork-Reward-Gemma-2-27B-v0.2"),
        (DistinctK("classifier"), "--classifier yimingzhang/deberta-v3-large-generation-similarity"),
        (Relevance(), "--encoder all-minilm-l6-v2"),
    ],
)
def test_without_its_model_the_reason_is_the_command_that_makes_it(
    metric: Any, flag: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACO_CACHE", str(tmp_path))
    for ask in (metric.models, lambda: metric.measure(TEXTS, PROMPT)):
        with pytest.raises(Unavailable, match=f"make it with: baco export {flag}$"):
            ask()


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("utility", {"cuts": [1, 1]}, "metric.options: cuts must ascend"),
        ("utility", {"cuts": []}, "metric.options.cuts"),
        ("utility", {"patience": 1}, "metric.options.patience"),
        ("utility", {"rule": "rouge"}, "metric.options.rule: 'rouge' is not allowed"),
        ("distinct-k", {"above": 1.5}, "metric.options.above"),
        ("nli", {"rule": "mean"}, "metric.options.rule"),
        ("reward", {"model": ""}, "metric.options.model"),
    ],
)
def test_bad_options_are_named_by_their_place(name: str, options: Any, message: str) -> None:
    with pytest.raises(BacoError, match=message):
        load_plugins(only=("metrics",)).metrics.build(Part(name, options), "metric")


@pytest.mark.parametrize("metric", [Nli(), Reward(), Utility(), Relevance()])
def test_too_few_texts_are_not_measured(metric: Any) -> None:
    for texts in ([], ["", " "]):
        with pytest.raises(NotMeasured):
            metric.measure(texts, PROMPT)
    assert metric.formula
    assert metric.source
    assert metric.needs
    assert metric.direction == 1
    assert hash(metric) == hash(type(metric)())


def test_relevance_is_the_mean_cosine_of_prompt_and_text(tmp_path: Path) -> None:
    from baco_exporters.encoder import ENCODER
    from baco_exporters.progress import quiet
    from baco_exporters.text_model import export_text_model

    made: Any = pytest.importorskip("made_encoder")
    source = made.encoder_folder(tmp_path / "source")
    with quiet(tmp_path / "log") as progress:
        export_text_model(ENCODER, str(source), tmp_path / "out", progress)
    metric = Relevance(str(tmp_path / "out"))
    texts = [text for text in TEXTS if text]
    asked, *read = made.theirs(source, [PROMPT.text, *texts], made.MOST)
    expected = [float(np.dot(asked, one)) for one in read]
    assert metric.measure(texts, PROMPT) == pytest.approx(np.mean(expected), abs=1e-5)
    assert metric.measure([*texts, ""], PROMPT) == pytest.approx(math.fsum(expected) / 6, abs=1e-5)
    assert metric.measure([PROMPT.text], PROMPT) == pytest.approx(1)


def test_yaml_names_models_partition_and_labels(
    models: Models, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACO_CACHE", str(tmp_path / "cache"))
    (tmp_path / "sweep.yaml").write_text(
        "task: {use: creative, options: {limit: 2}}\nn: 3\ndecode: {max_new_tokens: 8}\n"
        "methods: [{router: {use: p, options: {gamma: [0.2, 0.6]}}}]\n"
    )
    for name in ("reward", "similar", "nli"):
        (tmp_path / name).symlink_to(models[name][1], target_is_directory=True)
    (tmp_path / "metrics.yaml").write_text(
        "metrics:\n"
        "  - {use: nli, options: {model: ./nli}}\n"
        "  - {use: nli, label: nli-probability, options: {model: ./nli, rule: probability}}\n"
        "  - {use: reward, options: {model: ./reward}}\n"
        "  - {use: distinct-k}\n"
        "  - {use: distinct-k, label: distinct-k-classifier,\n"
        "     options: {rule: classifier, similarity: ./similar}}\n"
        "  - {use: utility, options: {model: ./reward, cuts: [0, 0.5], patience: 0.9}}\n"
        "  - {use: relevance}\n"
    )
    out = tmp_path / "out"
    assert main(["sweep", "-c", str(tmp_path / "sweep.yaml"), "--out", str(out)]) == 0
    capsys.readouterr()
    assert main(["score", str(out), "-c", str(tmp_path / "metrics.yaml")]) == 0
    told = capsys.readouterr().err.splitlines()
    assert [line for line in told if "4 measured now" not in line] == [told[-1]]
    assert told[-1].startswith("relevance: 0 measured now, 0 before; 4 not measured (the encoder")
    record = read_record(out, "distinct-k-classifier")
    assert record is not None
    assert record.options["above"] == 0.102
    assert record.models["similarity"].startswith("similar ")
    (tmp_path / "reward").unlink()
    (tmp_path / "reward").symlink_to(models["nli"][1], target_is_directory=True)
    assert main(["score", str(out), "-c", str(tmp_path / "metrics.yaml"), "--metrics", "reward"]) == 2
    assert "reward.jsonl: was measured with model 'model' 'reward " in capsys.readouterr().err


@pytest.mark.real
def test_with_minilm_answers_are_nearer_to_their_question_than_to_another() -> None:
    metric = Relevance()
    try:
        metric.models()
    except Unavailable as reason:
        pytest.skip(str(reason))
    question = Prompt("q", "How do I keep tomatoes fresh?")
    answers = ["Store them at room temperature, stem down.", "Do not put ripe tomatoes in the fridge."]
    others = ["The king rode into the forest.", "Interest rates rose in March."]
    assert metric.measure(answers, question) > metric.measure(others, question) + 0.2
