"""Writes texts of one prompt: what a sweep does for many, for tests, calibration and Python users."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from baco_core.pipeline import Pipeline
from baco_eval.methods.method import Method, asked, shows_earlier
from baco_eval.records import Generation, Prompt, Setting
from baco_eval.sweep.texts import Job, written


def generate(
    method: Method,
    pipeline: Pipeline,
    prompt: Prompt,
    setting: Setting,
    indices: Sequence[int],
    earlier: Sequence[str] = (),
) -> Iterator[Generation]:
    """Yield the texts `indices` of a prompt, in that order, written with the pipeline's router and sampler.

    The pipeline's `decode.seed` is the seed; its `decode.n` does not matter. Where the method shows
    earlier texts, `indices` go on one by one from `len(earlier)`, and `earlier` are the texts before
    them; else `earlier` is not looked at. Raises BacoError naming what cannot be written.
    """
    if shows_earlier(method):
        yield from _one_by_one(method, pipeline, prompt, setting, indices, [*earlier])
        return
    jobs = (_job(method, pipeline, prompt, setting, index, ()) for index in indices)
    found = {text.index: text for text, _ in written(pipeline, jobs, pipeline.decode.batch)}
    yield from (found[index] for index in indices)


def _one_by_one(
    method: Method,
    pipeline: Pipeline,
    prompt: Prompt,
    setting: Setting,
    indices: Sequence[int],
    earlier: list[str],
) -> Iterator[Generation]:
    for index in indices:
        job = _job(method, pipeline, prompt, setting, index, earlier)
        for text, _ in written(pipeline, iter([job]), 1):
            earlier.append(text.text)
            yield text


def _job(
    method: Method, pipeline: Pipeline, prompt: Prompt, setting: Setting, index: int, earlier: Sequence[str]
) -> Job:
    return Job(setting, prompt.id, index, asked(method, pipeline, prompt, index, earlier))
