"""Tables, goals and the JSON file of one run. It computes medians and ratios and invents nothing: what is missing shows as a dash."""

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import amqp_report
from bench.goal import Goal, shown
from bench.rows import Row

# row key up to its first dash -> (metric, heading, format)
COLUMNS: Mapping[str, Sequence[tuple[str, str, str]]] = {
    "rtt": (("p50", "p50 µs", ".1f"), ("p99", "p99 µs", ".1f"), ("p999", "p99.9 µs", ".1f")),
    "flood": (("messages_per_s", "messages/s", ",.0f"), ("mb_per_s", "MB/s", ",.1f"), ("cpu", "proxy core", ".0%")),
    "logins": (
        ("logins_per_s", "logins/s", ",.0f"),
        ("p50_ms", "p50 ms", ".2f"),
        ("p99_ms", "p99 ms", ".2f"),
        ("cpu", "proxy core", ".0%"),
        ("cpu_ms", "CPU ms each", ".2f"),
        ("one_cpu_ms", "one at a time", ".2f"),
        ("alone_per_s", "argon2 alone/s", ",.0f"),
        ("refused", "refused", ".0f"),
    ),
    "memory": (),
    **dict.fromkeys(
        ("publish", "confirm", "confirms", "consume"),
        (("messages_per_s", "messages/s", ",.0f"), ("cpu", "proxy core", ".0%"), ("cpu_us", "CPU µs each", ".1f")),
    ),
    **dict.fromkeys(
        ("rpc", "together"), (("p50", "p50 µs", ".1f"), ("p99", "p99 µs", ".1f"), ("cpu_us", "CPU µs each", ".1f"))
    ),
    "backlog": (("growth_mib", "growth MiB", ".1f"), ("resident_mib", "resident MiB", ".1f"), ("seconds", "s", ".1f")),
}
# the same key -> (metric, the peer it is divided by)
RATIOS: Mapping[str, Sequence[tuple[str, str]]] = {
    "rtt": (("p50", "haproxy"), ("p99", "haproxy"), ("p50", "uvloop"), ("p50", "direct")),
    "flood": (("mb_per_s", "haproxy"), ("mb_per_s", "uvloop"), ("mb_per_s", "direct")),
    "logins": (("logins_per_s", "haproxy"), ("logins_per_s", "direct")),
    "memory": (("kib_per_session_1000", "haproxy"),),
    **dict.fromkeys(
        ("publish", "confirm", "confirms", "consume"), (("messages_per_s", "haproxy"), ("messages_per_s", "direct"))
    ),
    **dict.fromkeys(("rpc", "together"), (("p50", "haproxy"), ("p99", "haproxy"), ("p50", "direct"))),
    "backlog": (),
}


def _login_share(logins: Row) -> float | None:
    """Logins a second with argon2, of what a core could do that hashed and did the rest of a login one after the other.

    The rest is the proxy's CPU for one login at a time: a core that hashes has one login ready to be written down at a
    time, and 16 that are ready at once share their commits (nearly half of the CPU).
    """
    pairs = zip(logins.rounds.get("gateway+argon2", []), logins.rounds.get("gateway", []), strict=False)
    shares = [one["logins_per_s"] * (1 / one["alone_per_s"] + rest["one_cpu_ms"] / 1e3) for one, rest in pairs]
    return statistics.median(shares) if shares else None


def goals(rows: Mapping[str, Row], ready_seconds: float | None) -> list[Goal]:
    """Every goal, measured or not."""
    empty = Row("")
    rtt, flood, logins, memory = (rows.get(key, empty) for key in ("rtt", "flood", "logins", "memory"))
    return [
        Goal("p50 against HAProxy", rtt.ratio("gateway", "haproxy", "p50"), 1.10, at_most=True),
        Goal("p99 against HAProxy", rtt.ratio("gateway", "haproxy", "p99"), 1.25, at_most=True),
        Goal("messages/s echoed on one core", flood.median("gateway", "messages_per_s"), 1.5e6, at_most=False),
        Goal("MB/s against HAProxy", flood.ratio("gateway", "haproxy", "mb_per_s"), 0.35, at_most=False),
        Goal("logins/s without argon2", logins.median("gateway", "logins_per_s"), 300, at_most=False),
        Goal(
            "logins/s with argon2, against that core's time for argon2 and for the rest of a login",
            _login_share(logins),
            0.9,
            at_most=False,
        ),
        *(
            Goal(
                f"KiB per idle session at {size}", memory.median("gateway", f"kib_per_session_{size}"), 30, at_most=True
            )
            for size in (1000, 5000)
        ),
        Goal("seconds until ready", ready_seconds, 1.0, at_most=True),
        *amqp_report.goals(rows),
    ]


def _columns(key: str, row: Row) -> Sequence[tuple[str, str, str]]:
    if not key.startswith("memory"):
        return COLUMNS[key.partition("-")[0]]
    names = {name for rounds in row.rounds.values() for numbers in rounds for name in numbers}
    sizes = sorted(int(name.rpartition("_")[2]) for name in names if name.startswith("kib_per_session_"))
    each = [(f"kib_per_session_{size}", f"KiB each at {size}", ".1f") for size in sizes]
    return (*each, *((f"resident_{size}", f"KiB in all at {size}", ",.0f") for size in (0, *sizes)))


def table(key: str, row: Row) -> Table:
    """One row of the bench as a table with its ratios to HAProxy and to direct."""
    made = Table(title=row.title, title_justify="left")
    made.add_column("peer")
    columns = _columns(key, row)
    ratios = [(metric, base) for metric, base in RATIOS[key.partition("-")[0]] if base in row.rounds]
    for _, heading, _ in columns:
        made.add_column(heading, justify="right")
    for metric, base in ratios:
        made.add_column(f"{metric.split('_')[0]} / {base}", justify="right")
    for peer in row.rounds:
        values = [shown(row.median(peer, metric), style) for metric, _, style in columns]
        made.add_row(peer, *values, *(shown(row.ratio(peer, base, metric), ".2f") for metric, base in ratios))
    return made


def print_all(rows: Mapping[str, Row], aims: Sequence[Goal], notes: Sequence[str]) -> None:
    """Everything a reader at the terminal gets."""
    console = Console(width=150)
    traffic = {key: row for key, row in rows.items() if amqp_report.is_traffic(key)}
    if traffic:
        console.print(amqp_report.table(traffic))
    for key, row in rows.items():
        if key not in traffic:
            console.print(table(key, row))
        for failure in row.failures:
            console.print(f"  {failure}", style="red", markup=False)
    for goal in aims:
        if goal.met is not None:
            word = "met   " if goal.met else "MISSED"
            console.print(
                f"{word} {goal.text}: {goal.value:,.2f} ({'at most' if goal.at_most else 'at least'} {goal.bound:,.2f})"
            )
    for note in notes:
        console.print(f"note: {note}", markup=False)


def save(path: Path, rows: Mapping[str, Row], aims: Sequence[Goal], about: Mapping[str, object]) -> None:
    """The whole run: every round, the medians, the ratios, the goals, the machine."""
    document = {
        **about,
        "goals": [asdict(goal) | {"met": goal.met} for goal in aims],
        "rows": {key: _document(key, row) for key, row in rows.items()},
    }
    path.write_text(json.dumps(document, indent=1) + "\n")


def _document(key: str, row: Row) -> dict[str, object]:
    metrics = [metric for metric, _, _ in _columns(key, row)]
    ratios = RATIOS[key.partition("-")[0]]
    return {
        "title": row.title,
        "failures": row.failures,
        "median": {peer: {metric: row.median(peer, metric) for metric in metrics} for peer in row.rounds},
        "ratios": {
            peer: {f"{metric}/{base}": row.ratio(peer, base, metric) for metric, base in ratios} for peer in row.rounds
        },
        "rounds": row.rounds,
    }
