"""Classifiers on ONNX Runtime against transformers: the same texts, the same logits."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baco_core.chat import ChatTemplate
from baco_core.cli import main
from baco_core.errors import BundleError, ExportError
from baco_eval.metrics.metric import NotMeasured, Unavailable
from baco_eval.models.classifier import CLASSIFIER, Classifier, classifier, open_classifier

ONE = "the cat sat in a boat ."
OTHER = "a dog ran to the sea and saw the big red boat"
LONG = "the cat " * 60
NLI = ("CONTRADICTION", "NEUTRAL", "ENTAILMENT")
REWARD = ("LABEL_0",)
helper: Any = pytest.importorskip("made_classifier")


def exported(source: Path, out: Path) -> float:
    from baco_exporters.classifier import CLASSIFIER as MADE
    from baco_exporters.progress import quiet
    from baco_exporters.text_model import export_text_model

    with quiet(out.parent / "log") as progress:
        return export_text_model(MADE, str(source), out, progress)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a small model of inference, and what it was exported to."""
    folder = tmp_path_factory.mktemp("classifiers")
    source = helper.classifier_folder(folder / "source", "bert", NLI)
    assert exported(source, folder / "out") < 1e-5
    return source, folder / "out"


@pytest.fixture(scope="module")
def opened(made: tuple[Path, Path]) -> Classifier:
    return open_classifier(made[1])


@pytest.mark.parametrize("texts", [(ONE,), (ONE, OTHER), (LONG, OTHER), ("",), (LONG, LONG)])
def test_logits_are_those_of_transformers(
    made: tuple[Path, Path], opened: Classifier, texts: tuple[str, ...]
) -> None:
    mine = opened.logits(*texts)
    assert mine.shape == (3,)
    assert mine == pytest.approx(helper.theirs(made[0], *texts), abs=1e-5)


def test_probabilities_are_their_softmax(opened: Classifier) -> None:
    special = pytest.importorskip("scipy.special")
    assert opened.probabilities(ONE, OTHER) == pytest.approx(special.softmax(opened.logits(ONE, OTHER)))


def test_the_record_says_what_it_is(made: tuple[Path, Path], opened: Classifier) -> None:
    record = json.loads((made[1] / "classifier.json").read_text("utf-8"))
    assert opened.labels == tuple(record["labels"]) == NLI
    assert record["max_tokens"] == 64
    assert 0 <= record["parity"] < 1e-5
    assert record["source"]["licence"] == "mit"
    names = sorted(path.name for path in made[1].iterdir())
    assert names == sorted([*record["files"], "classifier.json"])


def test_both_texts_of_a_pair_can_be_cut_alike(made: tuple[Path, Path], opened: Classifier) -> None:
    cut = opened.logits(LONG, OTHER, each=4)
    assert cut == pytest.approx(helper.theirs(made[0], "the cat the cat", "a dog ran to"), abs=1e-5)
    assert (opened.logits(ONE, OTHER, each=50) == opened.logits(ONE, OTHER)).all()


def test_without_a_template_an_answer_is_the_second_text(opened: Classifier) -> None:
    assert (opened.reply_logits(ONE, OTHER) == opened.logits(ONE, OTHER)).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["roberta", "deberta-v2", "llama", "gemma2", "qwen3"])
def test_other_architectures_too(name: str, tmp_path: Path) -> None:
    decoder = name in ("llama", "gemma2", "qwen3")
    template = helper.TEMPLATE if decoder else None
    source = helper.classifier_folder(tmp_path / "source", name, REWARD, template=template)
    parity = exported(source, tmp_path / "out")
    opened = open_classifier(tmp_path / "out")
    most = json.loads((tmp_path / "out" / "classifier.json").read_text("utf-8"))["max_tokens"]
    assert most == (62 if name == "roberta" else 64)
    logits = [float(helper.theirs(source, *texts, most=most)[0]) for texts in ((ONE,), (LONG,))]
    size = max(1.0, *map(abs, logits))
    assert parity < 1e-4 * size
    assert abs(logits[0] - logits[1]) > 0.01
    assert [float(opened.logits(text)[0]) for text in (ONE, LONG)] == pytest.approx(logits, abs=1e-4 * size)
    reply = helper.their_reply(source, ONE, OTHER) if decoder else helper.theirs(source, ONE, OTHER)
    assert opened.reply_logits(ONE, OTHER) == pytest.approx(reply, abs=1e-4 * size)


def test_weights_beside_the_graph_are_kept_and_checked(
    made: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_ONNX_EXTERNAL_DATA", "1")  # what Optimum does beyond 2 GB
    exported(made[0], tmp_path / "out")
    record = json.loads((tmp_path / "out" / "classifier.json").read_text("utf-8"))
    assert {"model.onnx", "model.onnx_data"} < set(record["files"])
    opened = open_classifier(tmp_path / "out")
    assert opened.logits(ONE, OTHER) == pytest.approx(helper.theirs(made[0], ONE, OTHER), abs=1e-5)
    open_classifier.cache_clear()
    (tmp_path / "out" / "model.onnx_data").write_bytes(b"other")
    with pytest.raises(BundleError, match=r"'model\.onnx_data' is missing or not what was exported"):
        open_classifier(tmp_path / "out")


def test_a_text_without_tokens_is_not_measured(opened: Classifier) -> None:
    bare = Classifier(opened.reader, opened.labels, ChatTemplate("{{ messages[1]['content'] }}"))
    assert bare.reply_logits(ONE, OTHER).shape == (3,)
    with pytest.raises(NotMeasured, match="a text has no token that the model reads"):
        bare.reply_logits(ONE, "")


def test_a_classifier_is_found_by_the_last_part_of_its_name(
    made: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACO_CACHE", str(tmp_path))
    with pytest.raises(Unavailable, match=r"make it with: baco export --classifier Org/My-NLI$"):
        CLASSIFIER.find("Org/My-NLI")
    shutil.copytree(made[1], tmp_path / "classifiers" / "my-nli")
    assert CLASSIFIER.find("Org/My-NLI").name == "my-nli"
    assert classifier("my-nli").labels == classifier(str(made[1])).labels == NLI
    name, digest = CLASSIFIER.identity("Org/My-NLI").split()
    assert (name, len(digest)) == ("my-nli", 64)
    (tmp_path / "classifiers" / "my-nli" / "model.onnx").write_bytes(b"")
    open_classifier.cache_clear()
    with pytest.raises(BundleError, match=r"'model\.onnx' is missing or not what was exported"):
        classifier("my-nli")


def _no_head(folder: Path) -> None:
    model = helper.transformers.BertModel.from_pretrained(folder)
    model.save_pretrained(folder)


def _other_type(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text("utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "t5"}), "utf-8")


def _typed(folder: Path) -> None:
    """RoBERTa with two types of tokens, which its graph does not take."""
    shutil.rmtree(folder)
    helper.classifier_folder(folder, "roberta", NLI, type_vocab_size=2)


def _unstated_head(folder: Path) -> None:
    _no_head(folder)
    config = json.loads((folder / "config.json").read_text("utf-8"))
    del config["architectures"]
    (folder / "config.json").write_text(json.dumps(config), "utf-8")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda folder: (folder / "tokenizer.json").unlink(),
            "no tokenizer.json, which classifiers are read",
        ),
        (lambda folder: (folder / "model.safetensors").unlink(), "no safetensors; pickled weights are never"),
        (_no_head, "it is a BertModel; a classifier has"),
        (_unstated_head, "weights are missing from the source, such as classifier.bias, classifier.weight"),
        (_typed, "'roberta' classifier: answers differ from PyTorch's by"),
        (_other_type, "Optimum does not export 't5' models for text-classification. It exports: albert"),
    ],
)
def test_what_is_no_classifier_is_refused_in_one_line(
    made: tuple[Path, Path], tmp_path: Path, change: Any, message: str
) -> None:
    source = shutil.copytree(made[0], tmp_path / "source")
    change(source)
    with pytest.raises(ExportError, match=message) as caught:
        exported(source, tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_the_command_puts_it_where_metrics_look(
    made: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("BACO_CACHE", str(tmp_path))
    source = shutil.copytree(made[0], tmp_path / "My-Judge")
    assert main(["export", "--classifier", str(source)]) == 0
    assert classifier("my-judge").labels == NLI
    assert main(["export", "--classifier", str(source)]) == 2
    assert "a classifier is there already; pass --force" in capsys.readouterr().err
    assert np.isfinite(classifier("my-judge").logits(ONE)).all()
