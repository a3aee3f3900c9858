"""What Prometheus reads: requests, latency, scores, drift, the model in place, results of ingest."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from serving.scoring.served_model import ServedModel, ServedScores
from serving.store.flow import FlowReport

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

AT_ONCE = 64
"""Requests whose scores are counted together."""


class Metrics:
    """All measures of one server, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        counter = partial(Counter, namespace="leadscore", registry=self.registry)
        gauge = partial(Gauge, namespace="leadscore", registry=self.registry)
        histogram = partial(Histogram, namespace="leadscore", registry=self.registry)
        self.requests = counter("requests", "Requests by route and status", ["route", "method", "status"])
        self.seconds = histogram("request_seconds", "Time to answer", ["route"], buckets=SECONDS)
        self.in_work = gauge("requests_in_work", "Requests being answered")
        self.waiting = gauge("requests_waiting", "Requests whose work waits or is done, by kind of work", ["kind"])
        self.connections = gauge("connections", "Connections of clients")
        self.sent_away = gauge("connections_sent_away", "Connections ended for keeping the server waiting")
        self.stages = counter("scores", "Scores given by stage", ["stage"])
        self.ingested = counter("ingested_events", "Events received by result", ["result"])
        self.swaps = counter("model_swaps", "Champions put in place")
        self.refused = counter("models_refused", "Champions refused, the old one serves on")
        self.model = gauge("model_info", "1 for the model that answers", ["name", "version", "digest"])
        self.store_up = gauge("store_up", "1 while the store answers and takes writes")
        self.alarms = gauge("data_alarm", "1 for what of the data is not as usual", ["kind", "stream"])
        self.looked_at = gauge("data_looked_at_seconds", "When `leadscore monitor` or a scoring last looked, Unix time")
        self.scored_at = gauge("leads_scored_at_seconds", "When all leads were last scored, Unix time")
        self.learnt_until = gauge(
            "model_learnt_until_seconds", "Until when the model that answers has learnt, Unix time"
        )
        self.made_at = gauge("model_made_at_seconds", "When the model that answers was made, Unix time")
        self.drift = Drift()
        self.answers: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self.registry.register(self.drift)

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Notes a request that was answered."""
        key = (route, method, status)
        measures = self.answers.get(key)
        if measures is None:
            measures = self.answers[key] = (
                self.requests.labels(route, method, str(status)),
                self.seconds.labels(route),
            )
        measures[0].inc()
        measures[1].observe(seconds)

    def scored(self, live: ServedModel, scored: ServedScores) -> None:
        """Notes scores that were given."""
        for stage in set(scored.stage):
            self.stages.labels(stage).inc(scored.stage.count(stage))
        self.drift.add(live, scored)

    def serves(self, live: ServedModel) -> None:
        """Notes that another model answers from now on."""
        self.model.clear()
        self.model.labels(live.model.name, live.model.version, live.model.digest).set(1)
        self.learnt_until.set(live.predictor.manifest.trained_on.to_us / 1e6)
        self.made_at.set(live.made_at / 1e6)
        self.swaps.inc()
        self.drift.start(live)

    def flows(self, flow: FlowReport | None) -> None:
        """Notes what is known of the data; None while the store does not answer, when what was known stays."""
        self.store_up.set(flow is not None)
        if flow is None:
            return
        self.alarms.clear()
        for alarm in flow.alarms:
            self.alarms.labels(alarm.kind, " ".join(part for part in alarm.stream if part) or "everything").set(1)
        for measure, at in ((self.looked_at, flow.looked_at), (self.scored_at, flow.scored_at)):
            if at is not None:
                measure.set(at / 1e6)

    def text(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self.registry)


class Drift(Collector):
    """Sums over the scores that the model in place has given, so that rates and means can be watched over time.

    Bands are those of the model's evidence: what share of independent leads lay in each when it was trained is
    exported beside what lies in them now.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.live: ServedModel | None = None
        self.rows = 0
        self.waiting: list[ServedScores] = []
        self.bands = self.missing = self.sums = np.zeros(0)

    def start(self, live: ServedModel) -> None:
        """Counts for another model, from zero."""
        with self.lock:
            self.live, self.rows, self.waiting = live, 0, []
            self.bands = np.zeros(len(live.scorer.evidence.starts))
            self.missing, self.sums = np.zeros((2, live.places.width))

    def add(self, live: ServedModel, scored: ServedScores) -> None:
        """Adds scores, unless they were given by a model that is no longer in place."""
        with self.lock:
            if self.live is not None and live.predictor is self.live.predictor:
                self.waiting.append(scored)
                if len(self.waiting) >= AT_ONCE:
                    self._count()

    def _count(self) -> None:
        """Counts what waits: for many at once numpy costs next to nothing, for each one it would cost 40 µs."""
        if self.live is None or not self.waiting:
            return
        matrix = np.concatenate([scores.matrix for scores in self.waiting])
        p = np.concatenate([scores.probability for scores in self.waiting])
        self.waiting = []
        band = np.searchsorted(self.live.scorer.evidence.starts, p, side="right") - 1
        missing = np.isnan(matrix)
        self.rows += len(band)
        np.add.at(self.bands, np.maximum(band, 0), 1)
        self.missing += missing.sum(axis=0)
        self.sums += np.where(missing, 0.0, matrix).sum(axis=0)

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        """The families of metrics, as Prometheus asks for them."""
        with self.lock:
            self._count()
            live, rows = self.live, self.rows
            bands, missing, sums = self.bands.copy(), self.missing.copy(), self.sums.copy()
        if live is None:
            return
        starts = [f"{start:.6g}" for start in live.scorer.evidence.starts]
        trained = np.array(live.scorer.evidence.leads) / max(sum(live.scorer.evidence.leads), 1)
        features = live.scorer.encoder.names
        yield _counters("score_band", "Scores by band, named by its lowest probability", "from", starts, bands)
        yield _gauges("score_band_trained_share", "Share of each band at training", "from", starts, trained)
        yield _counters("feature_rows", "Rows of features seen", "of", ["all"], [rows])
        yield _counters("feature_missing", "Rows in which a feature is missing", "feature", features, missing)
        # Sums of signed numbers may fall, so they are no counters.
        yield _gauges("feature_sum", "Sum of a feature over rows where it is known", "feature", features, sums)


def _counters(
    name: str, about: str, label: str, labels: Sequence[str], values: Sequence[float] | np.ndarray
) -> CounterMetricFamily:
    family = CounterMetricFamily(f"leadscore_{name}", about, labels=[label])
    for label_value, value in zip(labels, values, strict=True):
        family.add_metric([label_value], float(value))
    return family


def _gauges(
    name: str, about: str, label: str, labels: Sequence[str], values: Sequence[float] | np.ndarray
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"leadscore_{name}", about, labels=[label])
    for label_value, value in zip(labels, values, strict=True):
        family.add_metric([label_value], float(value))
    return family
