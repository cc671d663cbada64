"""What a worker of another process is told, and what it answers; no cluster is needed for that."""

from __future__ import annotations

import platform
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from sweep_world import HEROES, lines_of, made_sweep, sweep_data

from baco_core.cli import main
from baco_core.errors import ConfigError
from baco_core.plugins import load_plugins
from baco_eval.records import Generation
from baco_eval.sweep.cluster import cluster
from baco_eval.sweep.config import sweep_from_data
from baco_eval.sweep.crew import OnRay
from baco_eval.sweep.manifest import Manifest, read_manifest
from baco_eval.sweep.matching import matched
from baco_eval.sweep.recipe import Failed, Ready, Recipe, Written, order_of, packed, recipe_of, told
from baco_eval.sweep.run import Sweep
from baco_eval.sweep.store import Key, read_generations
from baco_eval.sweep.work import Chunk, Work, planned, usual_size
from baco_eval.sweep.worker import Worker, _shared_out

METHODS: list[dict[str, Any]] = [
    {"match": "p"},
    {"router": {"use": "p", "options": {"gamma": 0.6}}},
    {"use": "in-context", "router": {"use": "rand", "options": {"gamma": 0.5}}},
]


def plain_sweep() -> Sweep:
    """Return a sweep whose plugins are all installed."""
    data = sweep_data(task={"use": "creative", "options": {"limit": 3}}, methods=METHODS)
    return Sweep.from_config(sweep_from_data(data, "sweep.yaml"), load_plugins())


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished sweep: 3 settings x 3 prompts x 2 texts."""
    folder = tmp_path_factory.mktemp("worker") / "whole"
    plain_sweep().run(folder, lambda line: None)
    return folder


def manifest_of(folder: Path) -> Manifest:
    manifest = read_manifest(folder)
    assert manifest is not None
    return manifest


def work_of(folder: Path, there: dict[Key, Generation]) -> Work:
    sweep = plain_sweep()
    manifest = manifest_of(folder)
    return Work(sweep.config, sweep.plugins, sweep.prompts, sweep.cells, manifest, there, lambda line: None)


def test_workers_that_are_sent_chunks_write_what_one_process_writes(whole: Path) -> None:
    there: dict[Key, Generation] = {}
    work = work_of(whole, there)
    worker = Worker(packed(structs.replace(recipe_of(work), beside=2)))
    assert isinstance(told(worker.begin()), Ready)
    chunks = planned(work, usual_size(work, workers=2))
    assert len(chunks) == 3 * 2, "two prompts, then one"
    for chunk in chunks:
        for answer in map(told, worker.write(packed(order_of(chunk, work)))):
            assert isinstance(answer, Written)
            assert answer.seconds >= 0
            there[answer.text.key] = answer.text
    assert sorted(packed(text) + b"\n" for text in there.values()) == lines_of(whole)


def test_a_part_of_a_chunk_is_sent_with_what_is_there_of_it(whole: Path) -> None:
    there: dict[Key, Generation] = {}
    work = work_of(whole, there)
    worker = Worker(packed(recipe_of(work)))
    worker.begin()
    shows = next(
        chunk for chunk in planned(work, lambda cell: 3) if chunk.cell.setting.method == "in-context"
    )
    answers = [told(answer) for answer in worker.write(packed(order_of(shows, work)))]
    for answer in answers[:4]:
        assert isinstance(answer, Written)
        there[answer.text.key] = answer.text
    rest = [told(answer) for answer in worker.write(packed(order_of(shows, work)))]
    assert [answer.text for answer in rest if isinstance(answer, Written)] == [
        answer.text for answer in answers[4:] if isinstance(answer, Written)
    ]
    assert len(rest) == 2


def test_another_version_bundle_or_plugin_on_a_machine_is_named_with_it(whole: Path) -> None:
    recipe = recipe_of(work_of(whole, {}))
    old = recipe.manifest
    for change, message in (
        ({"versions": {**old.versions, "numpy": "1"}}, "versions.numpy was '1' and is '"),
        ({"bundles": {"tiny": "x"}}, "bundles.tiny was 'x' and is '"),
    ):
        other = Recipe(
            recipe.config, "sweep.yaml", recipe.plugins, recipe.prompts, structs.replace(old, **change), 1
        )
        assert message in failure(other)
    absent = Recipe(recipe.config, "sweep.yaml", [*recipe.plugins, "mine"], recipe.prompts, old, 1)
    assert "sweep.yaml: plugins: unknown plugin 'mine'" in failure(absent)
    lost = recipe.config.replace("bundle: tiny", "bundle: /not/here")
    assert lost != recipe.config
    assert "pair.bundle: unknown bundle '/not/here'" in failure(structs.replace(recipe, config=lost))


def failure(recipe: Recipe) -> str:
    """Return the one line that a worker with this recipe fails with."""
    answer = told(Worker(packed(recipe)).begin())
    assert isinstance(answer, Failed)
    assert not answer.ours
    assert answer.message.startswith(f"worker on {platform.node()}: ")
    assert answer.message.endswith(
        "; every machine needs the same installation, and bundles at the same places."
    )
    assert "\n" not in answer.message
    return answer.message


def test_a_text_that_cannot_be_begun_is_told_and_not_raised(whole: Path) -> None:
    work = work_of(whole, {})
    recipe = recipe_of(work)
    long = [type(prompt)(prompt.id, "fox " * 5000) for prompt in recipe.prompts]
    worker = Worker(packed(structs.replace(recipe, prompts=long)))
    assert isinstance(told(worker.begin()), Ready)
    (answer,) = map(told, worker.write(packed(order_of(planned(work, lambda cell: 1)[0], work))))
    assert isinstance(answer, Failed)
    assert answer.message.startswith(f"p default, prompt {long[0].id!r}: ")


def test_a_control_is_sent_with_its_share(whole: Path) -> None:
    there = {text.key: text for text in read_generations(whole / "generations.jsonl")}
    work = work_of(whole, there)
    control = next(cell for cell in work.cells if cell.setting.matches)
    order = order_of(Chunk(control, work.prompts, 0), work)
    assert matched(control, there).router.options == {"gamma": order.share}


def test_workers_that_share_a_machine_share_its_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("baco_eval.sweep.worker.available_cores", lambda: 7)
    plugins = load_plugins()

    def threads(beside: int, options: dict[str, Any]) -> Any:
        config = made_sweep(backend={"use": "onnxruntime", "options": options}).config
        return _shared_out(config, plugins, beside).backend.options.get("intra_op_threads")

    assert threads(2, {}) == 3
    assert threads(2, {"intra_op_threads": 0}) == 3
    assert threads(9, {}) == 1
    assert threads(1, {}) is None
    assert threads(2, {"intra_op_threads": 5}) == 5


def test_a_plugin_that_is_an_object_is_refused_before_a_cluster_is_begun(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="plugins: 'little' is an object of this process") as caught:
        made_sweep().run(tmp_path, lambda line: None, OnRay())
    assert "\n" not in str(caught.value)


def test_chunks_are_small_enough_for_all_workers_and_large_enough_for_a_batch() -> None:
    def sizes(n: int, batch: int, workers: int) -> list[int]:
        sweep = made_sweep(
            n=n, decode={"batch": batch}, methods=METHODS, task={"use": "little", "options": {"count": 5}}
        )
        work: Any = Work(sweep.config, sweep.plugins, sweep.prompts, sweep.cells, None, {}, print)  # type: ignore[arg-type]
        size = usual_size(work, workers)
        return [size(cell) for cell in sweep.cells]

    assert len(HEROES) == 5
    assert sizes(n=10, batch=8, workers=1) == [4, 5, 4], "32 texts; texts that show others, 8 prompts"
    assert sizes(n=10, batch=8, workers=2) == [3, 3, 3]
    assert sizes(n=100, batch=1, workers=9) == [1, 1, 1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--workers", "2"], "--workers: it is for --executor ray."),
        (["--address", "auto"], "--address: it is for --executor ray."),
        (["--executor", "ray", "--workers", "0"], "--workers: expected at least 1, got 0."),
    ],
)
def test_options_of_another_executor_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["sweep", "-c", "none.yaml", "--out", str(tmp_path), *arguments]) == 2
    assert capsys.readouterr().err == f"baco: error: {message}\n"


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("127.0.0.1:1", "cannot join the Ray cluster at '127.0.0.1:1': Connection refused."),
        ("nonsense", "cannot join the Ray cluster at 'nonsense': Invalid address format: nonsense."),
        ("ray://127.0.0.1:1", "'ray://127.0.0.1:1' is no cluster's own address; run this on a machine of"),
    ],
)
@pytest.mark.skipif(find_spec("ray") is None, reason="needs ray")
def test_an_address_that_nobody_answers_is_refused_at_once(address: str, reason: str) -> None:
    with pytest.raises(ConfigError) as caught, cluster(address, 1):
        pass
    assert str(caught.value).startswith("--address: ")
    assert reason in str(caught.value)


def test_without_ray_its_extra_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("baco_eval.sweep.cluster.find_spec", lambda name: None)
    assert main(["sweep", "-c", "none.yaml", "--out", str(tmp_path), "--executor", "ray"]) == 2
    assert capsys.readouterr().err == (
        'baco: error: --executor: ray is not installed; run: pip install "baco[ray]".\n'
    )
