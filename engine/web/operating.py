"""What machines ask: does the process live, can it work, how much does it do."""

from __future__ import annotations

from collections.abc import Iterable

from fastapi import APIRouter, Response
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from engine.runtime.console import Console
from engine.runtime.views import Health, Reading
from engine.web.answers import ValueResponse
from engine.web.openapi import Alive, answers

TEXT = "text/plain"
PROMETHEUS = f"{TEXT}; version=0.0.4; charset=utf-8"


class Metrics:
    """A Prometheus registry of our own: the console's readings, and what the API itself counts."""

    def __init__(self, console: Console) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Readings(console))
        self._requests = Counter(
            "callwright_http_requests", "Requests answered", ["method", "route", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "callwright_http_seconds", "Time to answer", ["route"], registry=self._registry, buckets=_BUCKETS
        )

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Note one answered request. `route` is the path with its placeholders, never with ids."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """Everything in Prometheus's text format."""
        return generate_latest(self._registry)


_BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class _Readings(Collector):
    """The console's readings, as families of one name each."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def collect(self) -> Iterable[Metric]:
        families: dict[str, Metric] = {}
        for reading in self._console.readings():
            family = families.get(reading.name)
            if family is None:
                family = families[reading.name] = _family(reading)
            suffix = "_total" if reading.counter else ""
            family.add_sample(family.name + suffix, reading.labels, reading.value)
        return families.values()

    def describe(self) -> Iterable[Metric]:
        """Nothing in advance: registering must not ask the engine."""
        return ()


def _family(reading: Reading) -> Metric:
    kind = CounterMetricFamily if reading.counter else GaugeMetricFamily
    return kind(reading.name, reading.help)


def operating(console: Console, metrics: Metrics) -> APIRouter:
    """/healthz, /readyz and /metrics."""
    router = APIRouter(tags=["operating"], default_response_class=ValueResponse)

    @router.get("/healthz", response_model=None, responses=answers(Alive, "The process lives"))
    async def healthz() -> Response:
        """Whether the process lives and its event loop turns."""
        return ValueResponse(Alive(ok=True))

    @router.get(
        "/readyz",
        response_model=None,
        responses=answers(Health, "It can work") | {503: answers(Health, "It cannot, and why")[200]},
    )
    async def readyz() -> Response:
        """Whether the engine can do its work."""
        health = await console.health()
        return ValueResponse(health, status_code=200 if health.ready else 503)

    @router.get("/metrics", response_model=None, responses={200: {"content": {TEXT: {}}}})
    async def read_metrics() -> Response:
        """Gauges and counters for Prometheus; no personal data."""
        return Response(metrics.text(), media_type=PROMETHEUS)

    return router
