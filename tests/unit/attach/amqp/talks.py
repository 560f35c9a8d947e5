"""An AMQP client of the sidecar, in bytes: the tests' own codec, and the dialect driven as `gateway.attach.client` drives it."""

import base64

from gateway.attach.amqp.dialect import AmqpDialect
from gateway.attach.amqp.logins import Dresser
from gateway.attach.dialect import Answer, Login
from gateway.attach.key import parse_key
from gateway.core.dialect import Side
from gateway.protocols.amqp.venue import Venue
from tests.blackbox import amqp_bytes as amqp
from tests.unit.protocols.amqp.talk import FRAME_MAX, PASSWORD_VENUE, USER, VENUE, plain, request

KEY = parse_key(base64.b32encode(b"12345678901234567890").decode(), "test")
CODE = "287082"
"""The key's code of step 1 (RFC 6238, appendix B, cut to six digits)."""
BODY = f'<LoginReq user="{USER}" throttlingUserAction="Y"><StandardHeader marketId="EPEX"/></LoginReq>'.encode()
BEAT = 60

__all__ = ["PASSWORD_VENUE", "VENUE"]


def handshake(password: str = "secret", frame_max: int = FRAME_MAX, heartbeat: int = BEAT) -> list[bytes]:
    """What a client says before its first channel, message by message."""
    return [
        amqp.HEADER,
        plain(password=password),
        amqp.tune_ok(9, frame_max, heartbeat),
        amqp.connection_open("/"),
        amqp.channel_open(1),
    ]


def login(body: bytes = BODY, channel: int = 1, **how) -> bytes:
    return request(body, channel, **how)


def dialect(venue: Venue = VENUE) -> AmqpDialect:
    return AmqpDialect(Dresser(venue, KEY))


def greeted(venue: Venue = VENUE, **how) -> AmqpDialect:
    """One whose client is through the handshake."""
    made = dialect(venue)
    for said in handshake(**how):
        made.feed(said)
    return made


def played(one: AmqpDialect, *chunks: bytes) -> list[bytes | Login]:
    """Give chunks to the short cut where it takes them, else to the exact look; every login goes at once."""
    out: list[bytes | Login] = []
    for chunk in chunks:
        quick = one.watch(Side.CLIENT)(chunk)
        for piece in [quick] if quick is not None else one.feed(chunk):
            if not isinstance(piece, bytes):
                one.found(piece)
                one.sent(piece)
                out.append(piece)
            elif out and isinstance(out[-1], bytes):
                out[-1] += piece
            elif piece:
                out.append(piece)
    return out


def heard(one: AmqpDialect, *chunks: bytes, along: bool = True) -> Answer | None:
    """Let the broker speak; `along`: an answer is awaited."""
    answers = []
    for chunk in chunks:
        if along:
            answers.append(one.hear(chunk))
        else:
            assert one.watch(Side.UPSTREAM)(chunk) == chunk
    return next((answer for answer in answers if answer), None)


def pieces_of(data: bytes, size: int = 1) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]
