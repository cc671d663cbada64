"""Sentence vectors on ONNX Runtime against transformers, and the diversity they give."""

from __future__ import annotations

import json
import shutil
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baco_core.errors import BundleError, ConfigError, ExportError
from baco_eval.metrics.metric import NotMeasured
from baco_eval.metrics.semantic import DEFAULT_EMBEDDER, CosDistance, Spread, Vendi, cosines
from baco_eval.models.encoder import ENCODER, Encoder, open_encoder
from baco_eval.records import Prompt

PROMPT = Prompt("p", "Tell me a story.")
TEXTS = ["The cat sat in a boat.", "a dog ran to the sea and saw the big red boat", "", "the cat " * 40]
METRICS: list[Spread] = [CosDistance(), Vendi()]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a small encoder in the Hugging Face layout, and what it was exported to."""
    from baco_exporters.encoder import ENCODER as MADE
    from baco_exporters.progress import quiet
    from baco_exporters.text_model import export_text_model

    helper = pytest.importorskip("made_encoder")
    folder = tmp_path_factory.mktemp("encoders")
    source = helper.encoder_folder(folder / "source")
    with quiet(folder / "log") as progress:
        assert export_text_model(MADE, str(source), folder / "out", progress) < 1e-5
    return source, folder / "out"


def test_vectors_are_those_of_transformers(made: tuple[Path, Path]) -> None:
    helper = pytest.importorskip("made_encoder")
    mine = open_encoder(made[1]).embed(TEXTS)
    assert np.abs(mine - helper.theirs(made[0], TEXTS, helper.MOST)).max() < 1e-5
    assert np.linalg.norm(mine, axis=1) == pytest.approx(1)


def test_a_vector_does_not_depend_on_its_company(made: tuple[Path, Path]) -> None:
    encoder = open_encoder(made[1])
    for text, vector in zip(TEXTS, encoder.embed(TEXTS), strict=True):
        assert (encoder.embed([text])[0] == vector).all()


def test_a_text_is_read_once_however_many_metrics_ask(
    made: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Encoder(open_encoder(made[1]).reader)
    monkeypatch.setattr("baco_eval.models.encoder.KEPT", 3)
    first = opened.embed(TEXTS[:3])
    monkeypatch.setattr(Encoder, "_embed", lambda self, text: np.ones(32))
    assert (opened.embed(TEXTS[:3]) == first).all()
    assert (opened.embed(TEXTS)[3] == 1).all()  # and none is kept beyond a limit
    assert len(opened.kept) == 1


def test_what_was_exported_says_what_it_is(made: tuple[Path, Path]) -> None:
    record = json.loads((made[1] / "encoder.json").read_text("utf-8"))
    assert record["max_tokens"] == 16
    assert record["source"]["licence"] == "mit"
    assert sorted(record["files"]) == ["NOTICE.txt", "model.onnx", "tokenizer.json"]
    assert sorted(path.name for path in made[1].iterdir()) == sorted([*record["files"], "encoder.json"])


def test_the_metrics_are_their_formulas(made: tuple[Path, Path]) -> None:
    vectors = open_encoder(made[1]).embed(TEXTS)
    distances = [1 - float(vectors[i] @ vectors[j]) for i, j in permutations(range(len(TEXTS)), 2)]
    assert CosDistance(str(made[1])).measure(TEXTS, PROMPT) == pytest.approx(np.mean(distances))
    spectrum = np.linalg.svd(vectors / np.sqrt(len(TEXTS)), compute_uv=False) ** 2
    assert Vendi(str(made[1])).measure(TEXTS, PROMPT) == pytest.approx(
        float(np.exp(-(spectrum * np.log(spectrum)).sum()))
    )


def test_equal_texts_have_no_diversity(made: tuple[Path, Path]) -> None:
    texts = ["the red boat"] * 5
    assert CosDistance(str(made[1])).measure(texts, PROMPT) == pytest.approx(0, abs=1e-12)
    assert Vendi(str(made[1])).measure(texts, PROMPT) == pytest.approx(1)
    assert Vendi(str(made[1])).measure(["the red boat"], PROMPT) == 1


def test_texts_that_have_nothing_in_common_count_fully() -> None:
    found = cosines(np.eye(4))
    assert CosDistance().diversity(found) == 1
    assert Vendi().diversity(found) == pytest.approx(4)
    assert CosDistance().diversity(cosines(np.array([[1.0, 0.0], [-1.0, 0.0]]))) == 2


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: type(metric).__name__)
def test_without_the_encoder_the_reason_is_the_command_that_makes_it(
    metric: Spread, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACO_CACHE", str(tmp_path))
    with pytest.raises(NotMeasured, match=r"make it with: baco export --encoder all-minilm-l6-v2$"):
        metric.measure(["a cat", "a dog"], PROMPT)


@pytest.mark.parametrize(
    ("metric", "texts", "reason"),
    [
        (CosDistance(), ["a cat"], "1 text of this prompt"),
        (CosDistance(), ["", " "], "every text is empty"),
        (Vendi(), [], "0 texts"),
    ],
)
def test_too_few_texts_are_not_measured(metric: Spread, texts: list[str], reason: str) -> None:
    with pytest.raises(NotMeasured, match=reason):
        metric.measure(texts, PROMPT)


def _without(record: dict[str, Any]) -> None:
    del record["files"]["model.onnx"]


def _of_another_kind(record: dict[str, Any]) -> None:
    record["pooling"] = "cls"


def _outside(record: dict[str, Any]) -> None:
    record["files"]["../x"] = record["files"]["model.onnx"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_without, "names no 'model.onnx'"),
        (_of_another_kind, "malformed record: Invalid enum value 'cls'"),
        (_outside, "leaves the bundle"),
    ],
)
def test_a_bad_record_is_one_clear_line(
    made: tuple[Path, Path], tmp_path: Path, change: Any, message: str
) -> None:
    folder = shutil.copytree(made[1], tmp_path / "bad")
    record = json.loads((folder / "encoder.json").read_text("utf-8"))
    change(record)
    (folder / "encoder.json").write_text(json.dumps(record), "utf-8")
    with pytest.raises(BundleError, match=message) as caught:
        Vendi(str(folder)).measure(["a cat"], PROMPT)
    assert "\n" not in str(caught.value)


def test_a_changed_file_is_named(made: tuple[Path, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(made[1], tmp_path / "bad")
    (folder / "tokenizer.json").write_text("{}", "utf-8")
    with pytest.raises(BundleError, match=r"'tokenizer.json' is missing or not what was exported"):
        Vendi(str(folder)).measure(["a cat"], PROMPT)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("1_Pooling/config.json", '{"pooling_mode_mean_tokens": false}', "no mean over tokens"),
        ("1_Pooling/config.json", "[", "cannot be read"),
        ("2_Dense/config.json", "{}", "a layer after pooling"),
        ("tokenizer.json", None, "has no tokenizer.json"),
        ("model.safetensors", None, "no safetensors"),
    ],
)
def test_an_encoder_of_another_kind_is_not_exported(
    made: tuple[Path, Path], tmp_path: Path, name: str, content: str | None, message: str
) -> None:
    from baco_exporters.encoder import ENCODER as MADE
    from baco_exporters.progress import Progress
    from baco_exporters.text_model import export_text_model

    source = shutil.copytree(made[0], tmp_path / "source")
    if content is None:
        (source / name).unlink()
    else:
        (source / name).parent.mkdir()
        (source / name).write_text(content, "utf-8")
    with pytest.raises(ExportError, match=message):
        export_text_model(MADE, str(source), tmp_path / "out", Progress())
    assert not (tmp_path / "out").exists()


def test_what_is_there_is_replaced_only_when_asked_to(made: tuple[Path, Path], tmp_path: Path) -> None:
    from baco_exporters.encoder import ENCODER as MADE
    from baco_exporters.progress import Progress
    from baco_exporters.text_model import export_text_model

    with pytest.raises(ExportError, match="pass --force"):
        export_text_model(MADE, str(made[0]), made[1], Progress())
    (tmp_path / "mine.txt").write_text("mine", "utf-8")
    with pytest.raises(ExportError, match="is not an encoder"):
        export_text_model(MADE, str(made[0]), tmp_path, Progress(), force=True)


def test_the_command_refuses_what_does_not_fit(tmp_path: Path) -> None:
    from argparse import ArgumentParser

    from baco_exporters.commands import EXPORT

    parser = ArgumentParser()
    EXPORT.configure(parser)
    for flag, value in (("--base", "x"), ("--precision", "int8"), ("--classifier", "x")):
        with pytest.raises(ConfigError, match=f"leave out {flag}"):
            EXPORT.run(parser.parse_args(["--encoder", "x", flag, value]))


@pytest.mark.real
def test_minilm_gives_the_vectors_of_transformers_and_tells_paraphrases_from_others(tmp_path: Path) -> None:
    helper = pytest.importorskip("made_encoder")
    from baco_core.cli import main
    from baco_exporters.encoder import KNOWN
    from baco_exporters.wheels import cached_path

    try:
        folder = ENCODER.find(DEFAULT_EMBEDDER)
    except NotMeasured:
        assert main(["export", "--encoder", DEFAULT_EMBEDDER]) == 0
        folder = ENCODER.find(DEFAULT_EMBEDDER)
    known = KNOWN[DEFAULT_EMBEDDER]
    files = [cached_path(known.source(name)) for name in known.files]
    if not all(path.is_file() for path in files):
        pytest.skip("the package's own files are no longer cached")
    for path in files:
        shutil.copyfile(path, tmp_path / path.name)
    texts = ["A cat sat in a small boat.", "In a little boat there was a cat.", "Interest rates rose."]
    texts += ["", "It rained all day, and nobody went out. " * 60]
    mine = open_encoder(folder).embed(texts)
    difference = float(np.abs(mine - helper.theirs(tmp_path, texts, 256)).max())
    assert difference < 1e-6
    close, far = CosDistance().measure(texts[:2], PROMPT), CosDistance().measure(texts[1:3], PROMPT)
    assert close < 0.3 < 0.8 < far
