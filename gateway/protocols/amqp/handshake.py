"""The connection's handshake (AMQP 0-9-1 §2.2.4): what is edited in it, and what is read.

Start loses the SASL mechanisms that the gateway does not read, Start-Ok the one-time code (where the venue has it in the password),
Tune the top channel, which Tune-Ok gets back: it is the gateway's own. Every other byte stays. Must not decide who may log in.
"""

from dataclasses import dataclass, replace
from typing import Final

from gateway.core.secret import Secret
from gateway.protocols.amqp.frames import LARGEST, METHOD, Frame, GarbledError, frame
from gateway.protocols.amqp.methods import Cursor, Method, longstr, utf8

PLAIN: Final = b"PLAIN"
EXTERNAL: Final = b"EXTERNAL"
NO_LIMIT: Final = 65_535
"""channel_max 0, "no limit", is as many as two bytes can number."""

LEAST: Final = 4096
"""AMQP 0-9-1's frame-min-size."""

_ARGUMENTS: Final = 4
"""Where a method's arguments begin in the payload."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What Start-Ok says: the SASL user (RFC 4616 §2, RFC 4422 App. A), and where the response stands in the payload."""

    user: str
    password: Secret | None
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Tuning:
    """What the two sides agreed on. `top` is the gateway's own channel, one above the client's last."""

    top: int
    frame_max: int
    heartbeat: int


def expect(one: Frame, name: Method) -> Cursor:
    """Return a cursor behind the method number. Raises GarbledError for any other frame."""
    payload = one.payload
    if one.kind != METHOD or one.channel or payload[:_ARGUMENTS] != name.to_bytes(4, "big"):
        raise GarbledError("a frame out of order")
    return Cursor(payload, _ARGUMENTS)


def edit_start(one: Frame, offered: frozenset[bytes]) -> bytes:
    """Return Connection.Start with only those mechanisms of the broker that are in `offered`."""
    cursor = expect(one, Method.CONNECTION_START)
    cursor.number(2)
    cursor.long()
    start = cursor.at
    mechanisms = [name for name in cursor.long().split() if name in offered]
    payload = one.payload
    return frame(METHOD, 0, payload[:start] + longstr(b" ".join(mechanisms)) + payload[cursor.at :])


def read_start_ok(one: Frame, offered: frozenset[bytes], identity: str) -> Credentials:
    """Read Connection.StartOk. `identity` is the certificate's, the user of EXTERNAL. Raises GarbledError.

    PLAIN is read as RabbitMQ reads it: NUL user NUL password, and no NUL in the password.
    """
    cursor = expect(one, Method.CONNECTION_START_OK)
    cursor.long()
    mechanism = cursor.short()
    start = cursor.at
    response = cursor.long()
    if mechanism not in offered:
        raise GarbledError("a mechanism that was not offered")
    if mechanism == EXTERNAL:
        return Credentials(identity, None, start, cursor.at)
    parts = response.split(b"\0")
    if len(parts) != 3 or parts[0] or not parts[1]:  # noqa: PLR2004 - RFC 4616: authzid, authcid, password
        raise GarbledError("not a PLAIN response")
    return Credentials(utf8(parts[1]), Secret(parts[2]), start, cursor.at)


def split_code(secret: Secret, digits: int) -> tuple[Secret, Secret | None]:
    """Return password and one-time code of a secret that ends in the code; no code where it does not end in `digits` digits."""
    raw = secret.reveal()
    code = raw[-digits:]
    if len(code) < digits or not (code.isascii() and code.isdigit()):
        return secret, None
    return Secret(raw[:-digits]), Secret(code)


def with_password(one: Frame, read: Credentials, password: Secret) -> bytes:
    """Return Connection.StartOk with another password."""
    payload = one.payload
    response = b"\0" + read.user.encode() + b"\0" + password.reveal()
    return frame(METHOD, 0, payload[: read.start] + longstr(response) + payload[read.end :])


def edit_tune(one: Frame) -> tuple[bytes, Tuning]:
    """Return Connection.Tune with one channel less, and what it offers. Raises GarbledError where no channel can be spared."""
    cursor = expect(one, Method.CONNECTION_TUNE)
    top, frame_max, heartbeat = cursor.number(2) or NO_LIMIT, cursor.number(4) or LARGEST, cursor.number(2)
    if top < 2:  # noqa: PLR2004 - one for the client, one for the gateway
        raise GarbledError("no channel to spare")
    payload = one.payload[:_ARGUMENTS] + _tuned(top - 1, frame_max, heartbeat)
    return frame(METHOD, 0, payload), Tuning(top, frame_max, heartbeat)


def edit_tune_ok(one: Frame, offer: Tuning) -> tuple[bytes, Tuning] | None:
    """Return Connection.TuneOk with the top channel added, and what is agreed; None where it exceeds the offer."""
    cursor = expect(one, Method.CONNECTION_TUNE_OK)
    most, frame_max, heartbeat = cursor.number(2), cursor.number(4), cursor.number(2)
    if not 0 < most < offer.top or not LEAST <= frame_max <= offer.frame_max:
        return None
    payload = one.payload[:_ARGUMENTS] + _tuned(most + 1, frame_max, heartbeat)
    return frame(METHOD, 0, payload), replace(offer, top=most + 1, frame_max=frame_max, heartbeat=heartbeat)


def read_open(one: Frame) -> str:
    """Return the vhost of Connection.Open."""
    return expect(one, Method.CONNECTION_OPEN).text()


def _tuned(channel_max: int, frame_max: int, heartbeat: int) -> bytes:
    return channel_max.to_bytes(2, "big") + frame_max.to_bytes(4, "big") + heartbeat.to_bytes(2, "big")
