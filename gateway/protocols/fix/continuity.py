"""Sequence continuity (BY-1, BY-5): what is remembered of a stream, and when a refused Logon may be told why.

Over-holing heals (the client sees a gap, asks, the gateway answers for its own number); under-holing loses a message
silently. So a hole is recorded before its Logout goes out, in doubt in every hypothesis, its number is always ours and
never taken from a Logon nobody has vouched for; and where the client's next number is unknown nothing is said.
See docs/adr/0002-sequence-continuity.md.
"""

import json
from dataclasses import dataclass, replace
from typing import Any, Final

from gateway.core.login import Memory
from gateway.protocols.fix.holes import NO_HOLES, Holes

MAX_HOLES: Final = 1000
"""More refusals than this between two good Logons are closed without a byte: the record stays small."""
_VERSION: Final = 1
_LARGEST: Final = 10**12


@dataclass(frozen=True, slots=True)
class Record:
    """What is remembered of a stream between connections; all numbers are client-facing.

    `last_out`: last number that went to the client, holes included. `next_in`: next number expected from it.
    `orderly`: the client is known to expect `last_out` + 1, or to have skipped holes only. `restart`: Logouts sent since
    the last good Logon; if the engine turns out to have restarted its numbers, the holes are 1 to `restart`.
    """

    last_out: int = 0
    next_in: int = 1
    orderly: bool = True
    holes: Holes = NO_HOLES
    restart: int = 0

    @property
    def fresh(self) -> bool:
        """Whether no Logon was ever forwarded on this stream."""
        return self.next_in == 1


@dataclass(frozen=True, slots=True)
class Known:
    """A record as it was found. Not `sure`: a session is live on the stream or was cut off by a crash: a lower bound."""

    record: Record
    sure: bool


def recall(memory: Memory) -> Known | None:
    """Read a stream's memory; None where the value is not ours."""
    if memory.value:
        record = decode(memory.value)
        return Known(record, not memory.open) if record else None
    return Known(Record(), not memory.open)


def encode(record: Record) -> bytes:
    """Write a record as the stream's memory."""
    return json.dumps(
        {
            "v": _VERSION,
            "out": record.last_out,
            "in": record.next_in,
            "ok": int(record.orderly),
            "holes": record.holes.numbers,
            "again": record.restart,
        },
        separators=(",", ":"),
    ).encode()


def decode(value: bytes) -> Record | None:
    """Read what `encode` wrote; None for anything else, whatever it is."""
    try:
        read: Any = json.loads(value)
        holes, numbers = read["holes"], (read["out"], read["in"], read["ok"], read["again"])
        if read["v"] != _VERSION or not all(_is_number(number) for number in (*numbers, *holes)):
            return None
        sound = list(holes) == sorted(set(holes)) and len(holes) <= MAX_HOLES and 0 not in holes and read["in"]
        return Record(read["out"], read["in"], bool(read["ok"]), Holes(holes), read["again"]) if sound else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


@dataclass(frozen=True, slots=True)
class Claim:
    """What a Logon says of its numbers, before anybody has vouched for it."""

    number: int
    reset: bool
    expected: int | None


def refusal(known: Known, claim: Claim, *, forced: bool = False) -> tuple[int, Record] | None:
    """Decide on the Logout that answers a refused Logon: its MsgSeqNum and the record to commit first; None: say nothing.

    A client that has restarted its numbers expects 1, or 1 + the Logouts since; one that goes on expects `last_out` + 1,
    if that is known. On an open stream only 141=Y is answered: the live session's end overwrites what is counted
    meanwhile, and a client that resets each time does not miss it. `forced` speaks even where it is not. An unauthenticated Logon can only add holes, never move a number.
    """
    record = known.record
    restarted = claim.reset or (known.sure and (claim.number == 1 or claim.number < record.next_in))
    going_on = known.sure and (record.orderly or claim.expected == record.last_out + 1)
    if not (restarted or going_on or forced) or _full(record):
        return None
    after = replace(record, restart=record.restart + 1)
    if (going_on or forced) and (record.fresh or not claim.reset):
        number = record.last_out + 1
        after = replace(after, last_out=number, holes=record.holes.with_hole(number))
    if claim.reset or claim.number == 1:
        return 1, after
    return (after.restart if restarted else after.last_out), after


def _full(record: Record) -> bool:
    return record.restart >= MAX_HOLES or len(record.holes.numbers) >= MAX_HOLES


def _is_number(value: object) -> bool:
    return type(value) is int and 0 <= value < _LARGEST
