"""Times a `watch(chunk: bytes) -> bytes | None` in this process: what one look at one chunk costs, with no socket around it.

    python -m bench.hotpath                          a look at nothing, one regular expression, the gateway's FIX watch
    python -m bench.hotpath package.module:factory   factory() returns a fresh watch

Chunks: single orders, 64 KiB and 256 KiB of whole orders, and the same stream cut at odd places. It ends with an error
when the bytes that come out are not those that went in; answers of None, the slow path, are counted.
"""

import argparse
import importlib
import random
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from gateway.core.dialect import Side
from gateway.protocols.fix.watch import FixWatch

Watch = Callable[[bytes], bytes | None]
MESSAGES = 1480  # 256 KiB of orders
DEFAULT = [f"bench.hotpath:{name}" for name in ("floor", "one_search", "fix_client", "fix_engine")]


class Timing(NamedTuple):
    """The best of several passes, as the others measure the machine's other work."""

    case: str
    nanoseconds_per_call: float
    messages_per_s: float
    mb_per_s: float
    slow: int


def order(seq: int) -> bytes:
    """A NewOrderSingle of 177 bytes, sealed with a right BodyLength and CheckSum."""
    head = f"35=D\x0134={seq}\x0149=B00000\x0152=20260302-09:30:00.000\x0156=EXCHANGE\x01"
    tail = "21=1\x0138=100\x0140=2\x0144=101.25\x0154=1\x0155=MSFT\x0159=0\x0160=20260302-09:30:00.000\x01"
    body = f"{head}11={seq:0{154 - len(head) - len(tail) - 4}d}\x01{tail}"
    message = f"8=FIX.4.4\x019={len(body)}\x01{body}".encode()
    return message + b"10=%03d\x01" % (sum(message) % 256)


def odd_cuts(stream: bytes, seed: int = 7) -> list[bytes]:
    """The stream in pieces of 1 to 3,000 bytes that respect no message; the same pieces every time."""
    dice = random.Random(seed)
    pieces, at = [], 0
    while at < len(stream):
        size = dice.choice((1, 7, 60, 177, 180, 1448, 3000))
        pieces.append(stream[at : at + size])
        at += size
    return pieces


def cases() -> Iterator[tuple[str, list[bytes]]]:
    messages = [order(seq) for seq in range(2, 2 + MESSAGES)]
    stream = b"".join(messages)
    quarter = 65536 // 177 * 177
    yield "single orders", messages
    yield "64 KiB, whole", [stream[at : at + quarter] for at in range(0, len(stream) - quarter + 1, quarter)]
    yield "256 KiB, whole", [stream]
    yield "64 KiB, cut", [stream[at : at + 65536] for at in range(0, len(stream), 65536)]
    yield "odd cuts", odd_cuts(stream)


def timed(case: str, chunks: Sequence[bytes], factory: Callable[[], Watch], seconds: float) -> Timing:
    """Pass after pass over the chunks with one watch, for about `seconds`; the best pass counts."""
    watch = factory()
    size = sum(map(len, chunks))
    best = float("inf")
    stop = time.perf_counter() + seconds
    while time.perf_counter() < stop:
        before = time.perf_counter_ns()
        for chunk in chunks:
            watch(chunk)
        best = min(best, time.perf_counter_ns() - before)
    answers = [watch(chunk) for chunk in chunks]
    slow = sum(answer is None for answer in answers)
    if not slow and b"".join(answer or b"" for answer in answers) != b"".join(chunks):
        raise SystemExit(f"{case}: what came out is not what went in")
    return Timing(case, best / len(chunks), size / 177 / best * 1e9, size / best * 1e3, slow)


def floor() -> Watch:
    """Looks at nothing: what the call itself costs."""
    return lambda chunk: chunk


def one_search() -> Watch:
    """One compiled regular expression over each chunk and nothing else: what any look at the bytes costs at least."""
    search = re.compile(rb"\x0135=[A1245][\x01]").search
    return lambda chunk: chunk if search(chunk) is None else None


def fix_client() -> Watch:
    """The gateway's own look, client to engine."""
    return FixWatch(Side.CLIENT, b"FIX.4.4")


def fix_engine() -> Watch:
    """The gateway's own look, engine to client."""
    return FixWatch(Side.UPSTREAM, b"FIX.4.4")


def resolve(path: str) -> Callable[[], Watch]:
    """`package.module:factory`. Raises SystemExit with the reason."""
    module, _, name = path.partition(":")
    try:
        factory: Callable[[], Watch] = getattr(importlib.import_module(module), name or "watch")
    except (ImportError, AttributeError) as error:
        raise SystemExit(f"{path}: {error}") from None
    return factory


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.hotpath", description=__doc__)
    parser.add_argument("factory", nargs="*", default=DEFAULT, help="package.module:factory")
    parser.add_argument("--seconds", type=float, default=0.5, help="for each case")
    options = parser.parse_args()
    for path in options.factory:
        print(path)
        for case, chunks in cases():
            best = timed(case, chunks, resolve(path), options.seconds)
            print(
                f"  {best.case:15} {best.nanoseconds_per_call:12,.0f} ns/call {best.messages_per_s:14,.0f} msg/s "
                f"{best.mb_per_s:10,.0f} MB/s  {best.slow}/{len(chunks)} calls answered None"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
