"""Pipelines of requests: one open pair, and routers and samplers that are built once where they are equal."""

from __future__ import annotations

import threading
from collections import OrderedDict

from baco_core.config import Config, Part, plain_data
from baco_core.pipeline import Pipeline

MOST = 64
"""Pairs of router and sampler that are kept."""


class Pipelines:
    """Makes the pipeline of each request; threads may share it."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._built: OrderedDict[tuple[str, str], Pipeline] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, config: Config) -> Pipeline:
        """Return a pipeline for a config; raises BacoError for what is wrong with it."""
        key = _key(config.router), _key(config.sampler)
        with self._lock:
            alike = self._built.get(key)
            if alike is not None:
                self._built.move_to_end(key)
                return alike.asked(config.decode, config.prompts)
        made = self._pipeline.using(config)  # without the lock: a plugin may take its time
        with self._lock:
            self._built[key] = made
            while len(self._built) > MOST:
                self._built.popitem(last=False)
        return made


def _key(part: Part) -> str:
    return repr(plain_data(part))  # JSON knows neither infinity nor keys that are numbers (logit_bias)
