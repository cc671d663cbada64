"""Counts for Prometheus: what HTTP sees, and what each desk tells of itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter
from prometheus_client import Histogram as Summary
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from baco_core import __version__
from baco_server.desk import DeskFigures, Histogram
from baco_server.edge.logs import Handler

SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
Figures = Callable[[], Mapping[str, DeskFigures]]


class Metrics:
    """A registry of its own: two servers in one process do not mix."""

    def __init__(self, figures: Figures) -> None:
        """Count; `figures` tells of every desk by the name of its pair."""
        self.registry = CollectorRegistry()
        labels = ["method", "route", "status"]
        self.requests = Counter("baco_http_requests", "Requests answered.", labels, registry=self.registry)
        self.seconds = Summary(
            "baco_http_request_seconds",
            "Seconds from a request to the end of its answer.",
            ["route"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.registry.register(_Desks(figures))

    def count(self, method: str, route: str, status: str, seconds: float) -> None:
        """Count one request; `route` is the declared path, so that labels stay few."""
        self.requests.labels(method, route, status).inc()
        self.seconds.labels(route).observe(seconds)


class _Desks:
    """Tells what desks count, at the moment somebody asks."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def collect(self) -> Iterable[Metric]:
        """Yield every metric of every desk."""
        info = GaugeMetricFamily("baco_info", "What runs.", labels=["version"])
        info.add_metric([__version__], 1)
        yield info
        yield CounterMetricFamily(
            "baco_log_lines_dropped", "Log lines that could not be written.", value=Handler.dropped
        )
        yield from _gauges(self._figures())
        yield from _counters(self._figures())
        yield from _histograms(self._figures())


GAUGES: tuple[tuple[str, str, Callable[[DeskFigures], float]], ...] = (
    ("baco_up", "Whether the pair takes requests.", lambda figures: float(figures.alive)),
    ("baco_requests_waiting", "Requests of which nothing has begun.", lambda figures: figures.queued),
    ("baco_requests_running", "Requests of which something has.", lambda figures: figures.requests_in_hand),
    ("baco_texts_running", "Texts being written.", lambda figures: figures.texts),
    ("baco_texts_paused", "Texts that wait for their turn.", lambda figures: figures.paused),
)
COUNTERS: tuple[tuple[str, str, str, Callable[[DeskFigures], Mapping[str, int]]], ...] = (
    ("baco_tokens", "Tokens written.", "source", lambda figures: figures.tokens),
    ("baco_passes", "Forward passes.", "model", lambda figures: figures.passes),
    ("baco_requests", "Requests that ended.", "outcome", lambda figures: figures.requests),
    (
        "baco_prompt_tokens",
        "Tokens of contexts: read, or reused from an earlier request.",
        "how",
        lambda figures: {"read": figures.prompt_tokens_read, "reused": figures.prompt_tokens_reused},
    ),
)
TIMES: tuple[tuple[str, str, Callable[[DeskFigures], Histogram]], ...] = (
    (
        "baco_first_token_seconds",
        "From the question to its first token.",
        lambda figures: figures.first_token,
    ),
    ("baco_token_seconds", "From one token of a text to the next.", lambda figures: figures.token),
)


def _gauges(desks: Mapping[str, DeskFigures]) -> Iterator[Metric]:
    for name, text, value in GAUGES:
        gauge = GaugeMetricFamily(name, text, labels=["pair"])
        for pair, figures in desks.items():
            gauge.add_metric([pair], value(figures))
        yield gauge


def _counters(desks: Mapping[str, DeskFigures]) -> Iterator[Metric]:
    for name, text, label, values in COUNTERS:
        counter = CounterMetricFamily(name, text, labels=["pair", label])
        for pair, figures in desks.items():
            for key, value in values(figures).items():
                counter.add_metric([pair, key], value)
        yield counter


def _histograms(desks: Mapping[str, DeskFigures]) -> Iterator[Metric]:
    for name, text, times in TIMES:
        family = HistogramMetricFamily(name, text, labels=["pair"])
        for pair, figures in desks.items():
            histogram = times(figures)
            family.add_metric([pair], _buckets(histogram), histogram.total)
        yield family


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    """Return how many times took up to each bound."""
    found, so_far = [], 0
    for bound, count in zip((*map(str, histogram.bounds), "+Inf"), histogram.counts, strict=True):
        so_far += count
        found.append((bound, float(so_far)))
    return found
