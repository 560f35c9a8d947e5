"""One table for all AMQP traffic, a line for each row, and the goals of issue 3. As in report.py, what is missing shows as a dash."""

from collections.abc import Iterator, Mapping, Sequence

from rich.table import Table

from bench.amqp_rows import LOADS
from bench.goal import Goal, shown
from bench.rows import Row

# the loads' metrics; of a time less is better
RATE, TIMES = "messages_per_s", ("p50", "p99")
RAW_OF_DIRECT, OF_HAPROXY = 0.98, 0.95
IDLE_KIB, BACKLOG_MIB = 40, 5
MEGABYTES = "180 MB"


def is_traffic(key: str) -> bool:
    """Whether a row belongs into the table."""
    return key.partition("-")[0] in LOADS


def metrics(key: str) -> Sequence[str]:
    """What a row is judged by."""
    return TIMES if LOADS[key.partition("-")[0]].program == "rpc" else (RATE,)


def share(row: Row, base: str, metric: str) -> float | None:
    """How much of what `base` reaches the gateway reaches: 1.0 is the same, also where less is better."""
    return row.ratio(base, "gateway", metric) if metric in TIMES else row.ratio("gateway", base, metric)


def table(rows: Mapping[str, Row]) -> Table:
    """Every traffic row; its title carries letter, connections and TLS."""
    peers = list(dict.fromkeys(peer for row in rows.values() for peer in row.rounds))
    proxies = [peer for peer in peers if peer != "direct"]
    made = Table(title="f to i: AMQP through RabbitMQ, messages/s or µs", title_justify="left")
    made.add_column("row")
    for heading in (*peers, "of direct", "of HAProxy", *(f"{peer} CPU µs" for peer in proxies)):
        made.add_column(heading, justify="right")
    for key, row in rows.items():
        for metric in metrics(key):
            name = row.title + (f", {metric}" if metric in TIMES else "")
            values = [shown(row.median(peer, metric), ",.0f") for peer in peers]
            shares = [shown(share(row, base, metric), ".2f") for base in ("direct", "haproxy")]
            made.add_row(name, *values, *shares, *(shown(row.median(peer, "cpu_us"), ".1f") for peer in proxies))
    return made


def goals(rows: Mapping[str, Row]) -> Iterator[Goal]:
    """What issue 3 asks for, of proxies with a core of their own. Raw publish over TLS is held against HAProxy: nothing is direct there."""
    for key, row in rows.items():
        if not is_traffic(key) or LOADS[key.partition("-")[0]].together:
            continue
        raw = key.startswith("publish-") and not key.endswith("-tls")
        base, bound = ("direct", RAW_OF_DIRECT) if raw else ("haproxy", OF_HAPROXY)
        for metric in metrics(key):
            words = f"{row.title}{f', {metric}' if metric in TIMES else ''}, of {base}"
            yield Goal(words, share(row, base, metric), bound, at_most=False)
    empty = Row("")
    idle, backlog = rows.get("memory-amqp", empty), rows.get("backlog", empty)
    each = idle.median("gateway", "kib_per_session_1000")
    yield Goal("KiB per idle AMQP connection at 1000", each, IDLE_KIB, at_most=True)
    growth = backlog.median("gateway", "growth_mib")
    yield Goal(f"MiB that a backlog of {MEGABYTES} takes in the gateway", growth, BACKLOG_MIB, at_most=True)
