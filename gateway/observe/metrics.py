"""Every metric, in one table. Labels hold reasons, listeners and routes only: never a user, a CompID or an address.

With `--workers` the processes share files under PROMETHEUS_MULTIPROC_DIR and the parent adds them up.
"""

import os
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

TABLE: tuple[tuple[type[Counter] | type[Gauge] | type[Histogram], str, str, tuple[str, ...]], ...] = (
    (Counter, "gateway_logins_total", "Login decisions", ("outcome", "reason")),
    (Histogram, "gateway_verify_seconds", "From the login's last byte to the decision", ()),
    (Gauge, "gateway_connections", "Open client connections", ("listener",)),
    (Counter, "gateway_contacts_refused_total", "Contacts closed before there was a login to judge", ("reason",)),
    (Gauge, "gateway_sessions", "Live sessions", ()),
    (Counter, "gateway_sessions_started_total", "Sessions that became live", ("listener",)),
    (Counter, "gateway_sessions_ended_total", "Admitted logins and sessions that ended", ("reason",)),
    (Counter, "gateway_dial_failures_total", "Upstream addresses that did not take a connection", ("route",)),
    (Counter, "gateway_failures_total", "Calls that failed inside the gateway", ("call",)),
    (Counter, "gateway_records_lost_total", "Session records given up because the store was away", ("call",)),
    (Counter, "gateway_errands_dropped_total", "Reports and answers left out because of a flood", ("call",)),
    (Counter, "gateway_messages_declined_total", "Messages swallowed before or beside a login", ("reason",)),
    (Counter, "gateway_wills_total", "Ends of sessions told to the venue by the courier", ("route", "outcome")),
    (Counter, "gateway_courier_failures_total", "The courier's connections that failed", ("route",)),
    (Counter, "gateway_notices_total", "Notices by what became of them", ("channel", "outcome")),
    (Gauge, "gateway_outbox_waiting", "Notices that wait to go out", ()),
    (Counter, "gateway_alerts_total", "Logins that detection found something in", ("rule", "outcome")),
    (Gauge, "gateway_loop_lag_seconds", "How late the last one-second sweep was", ()),
)
"""Kind, name, help and labels. docs and the portal's dashboards are made from it."""
_ALIKE = {"gateway_outbox_waiting": "livemostrecent"}
"""Gauges that every worker sees alike: they are not added up."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """The table's metrics by name, in a registry of their own."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    _by_name: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for kind, name, text, labels in TABLE:
            extra: dict[str, Any] = {"multiprocess_mode": _ALIKE.get(name, "livesum")} if kind is Gauge else {}
            self._by_name[name] = kind(name, text, labels, registry=self.registry, **extra)

    def add(self, name: str, *labels: str, amount: float = 1) -> None:
        """Count up a counter, or a gauge up or down."""
        self._child(name, labels).inc(amount)

    def set(self, name: str, *labels: str, value: float) -> None:
        """Set a gauge."""
        self._child(name, labels).set(value)

    def observe(self, name: str, *labels: str, value: float) -> None:
        """Add a value to a histogram."""
        self._child(name, labels).observe(value)

    def _child(self, name: str, labels: tuple[str, ...]) -> Any:
        metric = self._by_name[name]
        return metric.labels(*labels) if labels else metric

    def page(self) -> bytes:
        """Return the page for Prometheus, of all workers where there are some."""
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return generate_latest(self.registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)
