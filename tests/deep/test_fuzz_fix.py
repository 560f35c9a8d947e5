"""Deep fuzz of everything that meets bytes before a login (`make deep`): mutations of real Logons, by the hundred thousand.

Bounded by count. A failure prints the seed and the bytes, which are the whole reproduction.
"""

import random

import pytest

from gateway.core.dialect import Found, Pass, Side, Violation
from gateway.core.login import Admitted, Memory, Moment, Refused
from gateway.core.reason import Reason
from gateway.protocols.fix.dialect import FixDialect
from gateway.protocols.fix.venue import Venue
from tests.fixbytes import SENDING, from_engine, logon, message

pytestmark = pytest.mark.deep

ROUNDS = 200_000
NOW = Moment(0.0, SENDING)
VENUES = [Venue(), Venue(code_tag=0), Venue(user_tag=50, password_tag=96, inactivity_tag=20190)]
SPLICES = [b"\x01", b"=", b"8=FIX.4.4\x01", b"9=0\x01", b"9=9999999\x01", b"35=A\x01", b"10=000\x01", b"95=5\x0196=a\x01b=c\x01",
           b"\x00", b"141=Y\x01", b"789=0\x01", b"34=999999999999999\x01", b"-1", b"20030=1\x0120030=2\x01"]  # fmt: skip


def mutated(rng: random.Random, data: bytes) -> bytes:
    """One to four edits: flip, delete, repeat, splice, cut, swap."""
    raw = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(raw) + 1)
        match rng.randrange(6):
            case 0 if at < len(raw):
                raw[at] = rng.randrange(256)
            case 1:
                del raw[at : at + rng.randint(1, 12)]
            case 2:
                raw[at:at] = raw[at : at + rng.randint(1, 40)]
            case 3:
                raw[at:at] = rng.choice(SPLICES)
            case 4:
                del raw[at:]
            case _:
                raw[:] = raw[at:] + raw[:at]
    return bytes(raw)


def pieces(rng: random.Random, data: bytes):
    while data:
        size = rng.choice([1, 2, 7, 30, len(data)])
        yield data[:size]
        data = data[size:]


@pytest.mark.req("BY-2")
@pytest.mark.timeout(1800)
def test_no_mutation_of_a_logon_raises_or_sends_a_byte_upstream_before_a_verdict():
    outcomes = {"found": 0, "violation": 0, "more": 0}
    for seed in range(ROUNDS):
        rng = random.Random(seed)
        data = mutated(rng, logon(rng.randint(1, 99)))
        dialect = FixDialect(rng.choice(VENUES))
        outcome = "more"
        for piece in pieces(rng, data):
            outputs = dialect.feed(Side.CLIENT, piece, NOW)
            assert not any(isinstance(output, Pass) for output in outputs), (seed, data)
            if any(isinstance(output, Violation) for output in outputs):
                outcome = "violation"
                break
            if any(isinstance(output, Found) for output in outputs):
                outcome = "found"
        outcomes[outcome] += 1
        if outcome == "found":
            verdict = Refused(Reason.BAD_CODE, "no", 3, Memory("k", value=rng.randbytes(rng.randrange(40))))
            dialect.refused(verdict)
            dialect.epilogue()
    assert min(outcomes.values()) > ROUNDS // 1000, outcomes


@pytest.mark.timeout(1800)
def test_after_admission_what_goes_in_comes_out_or_ends_the_session():
    for seed in range(ROUNDS // 4):
        rng = random.Random(seed)
        side = rng.choice(list(Side))
        dialect = passing()
        data = b"".join(mutated(rng, message("D", number, (11, "x"))) for number in range(2, 6))
        out = b""
        for piece in pieces(rng, data):
            passed = through(dialect, side, piece)
            if passed is None:
                break
            out += passed
        else:
            held = dialect.watch(side).tail
            assert out + held == data, (seed, data)
        assert data.startswith(out), (seed, data)


def passing() -> FixDialect:
    dialect = FixDialect()
    dialect.feed(Side.CLIENT, logon(1), NOW)
    dialect.admitted(Admitted("s", "alice", 1800, 86400, Memory("k")))
    dialect.feed(Side.UPSTREAM, from_engine("A", 1, (98, 0), (108, 30)), NOW)
    dialect.released(NOW)
    return dialect


def through(dialect: FixDialect, side: Side, piece: bytes) -> bytes | None:
    """What goes on to the other side; None when the session is to end."""
    out = dialect.watch(side)(piece)
    if out is not None:
        return out
    passed = b""
    for output in dialect.feed(side, piece, NOW):
        if isinstance(output, Violation):
            return None
        assert isinstance(output, Pass)
        if output.to is side.other:
            passed += output.data
    return passed
