"""The one picture of a run: a panel per row that was measured, a bar per peer."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

from bench.rows import Row

mpl.use("Agg")  # chosen before pyplot comes in: no display is needed
from matplotlib import pyplot as plt

PANELS: Mapping[str, tuple[str, Sequence[tuple[str, str]], bool]] = {
    "rtt": ("round trip, µs", (("p50", "p50"), ("p99", "p99"), ("p999", "p99.9")), True),
    "flood": ("echoed messages/s", (("messages_per_s", "plain"),), False),
    "rtt-tls": ("round trip with TLS, µs", (("p50", "p50"), ("p99", "p99"), ("p999", "p99.9")), True),
    "flood-tls": ("echoed messages/s with TLS", (("messages_per_s", "TLS"),), False),
    "logins": ("logins/s", (("logins_per_s", "logins/s"),), True),
    "publish-1": ("AMQP publish, messages/s", (("messages_per_s", "1 connection"),), False),
    "publish-24": ("AMQP publish, 24 connections, messages/s", (("messages_per_s", "24"),), False),
    "consume-1": ("AMQP consume, messages/s", (("messages_per_s", "1 connection"),), False),
    "rpc-1": ("AMQP request and reply, µs", (("p50", "p50"), ("p99", "p99")), False),
    "memory-amqp": ("KiB per idle AMQP connection", (("kib_per_session_1000", "1,000"),), False),
    "memory": ("KiB per idle session", (("kib_per_session_1000", "1,000"), ("kib_per_session_5000", "5,000")), False),
}


def draw(rows: Mapping[str, Row], title: str, path: Path) -> None:
    """Draw what was measured into a PNG; logarithmic where the peers differ by orders of magnitude."""
    keys = [key for key in PANELS if key in rows and rows[key].rounds]
    if not keys:
        return
    columns = min(2, len(keys))
    lines = (len(keys) + columns - 1) // columns
    figure, axes = plt.subplots(lines, columns, figsize=(6 * columns, 3.4 * lines), squeeze=False, layout="constrained")
    for axis in axes.flat[len(keys) :]:
        axis.set_visible(False)
    for key, axis in zip(keys, axes.flat, strict=False):
        heading, metrics, logarithmic = PANELS[key]
        _panel(axis, rows[key], heading, metrics)
        if logarithmic:
            axis.set_yscale("log")
            axis.set_ylim(bottom=1)
    figure.suptitle(title, fontsize=9)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _panel(axis: Any, row: Row, heading: str, metrics: Sequence[tuple[str, str]]) -> None:
    peers = list(row.rounds)
    width = 0.8 / len(metrics)
    for i, (metric, label) in enumerate(metrics):
        places = [at + (i - (len(metrics) - 1) / 2) * width for at in range(len(peers))]
        bars = axis.bar(places, [row.median(peer, metric) or 0 for peer in peers], width, label=label)
        axis.bar_label(bars, fmt=lambda value: f"{value:,.0f}" if value >= 100 else f"{value:.1f}", fontsize=6)
    axis.set_xticks(range(len(peers)), peers, fontsize=8)
    axis.set_title(heading, fontsize=9)
    if len(metrics) > 1:
        axis.legend(fontsize=7)
