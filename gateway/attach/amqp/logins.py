"""The edits: a one-time code into a login request, or behind the SASL password; every other frame stays the client's.

The reverse of `gateway.protocols.amqp`: what that takes out is what this puts in.
"""

from dataclasses import dataclass, field

from gateway.attach.key import TotpKey
from gateway.core.secret import Secret
from gateway.protocols.amqp.content import resized
from gateway.protocols.amqp.frames import Frame
from gateway.protocols.amqp.handshake import Credentials, with_password
from gateway.protocols.amqp.requests import add_code
from gateway.protocols.amqp.venue import CodeIn, Venue


@dataclass(frozen=True, slots=True)
class Dresser:
    """Codes of one key for logins of one venue.

    Invariant: the venue has a place for the key's codes. Raises ValueError where it has none.
    """

    venue: Venue
    key: TotpKey

    def __post_init__(self) -> None:
        venue, digits = self.venue, self.key.device.digits
        if venue.code_in is CodeIn.PASSWORD and venue.code_digits != digits:
            raise ValueError(f"venue {venue.name} wants {venue.code_digits} digits, the key has {digits}")

    def with_code(self, body: bytes, encoding: str, step: int) -> bytes:
        """Return the body of a login request with the step's code."""
        return add_code(body, encoding, self.venue, self.key.code(step).decode()) or body

    def behind(self, password: Secret, step: int) -> Secret:
        """Return a password with the step's code behind it, in place of one of this key's from about then."""
        raw, digits = password.reveal(), self.key.device.digits
        if self.key.made(raw[-digits:], step * self.key.period):
            raw = raw[:-digits]
        return Secret(raw + self.key.code(step))


@dataclass(frozen=True, slots=True)
class FoundRequest:
    """A login request: the raw frames of its publish and header, its body, and what came between on other channels.

    `number` is its correlation id, `frame_max` bytes its largest frame.
    """

    dresser: Dresser = field(repr=False)
    channel: int
    number: bytes
    encoding: str
    frame_max: int
    publish: bytes = field(repr=False)
    header: bytes = field(repr=False)
    body: bytes = field(repr=False)
    others: bytes = field(repr=False)

    fits = True

    def dressed(self, step: int) -> bytes:
        """Return its frames with the step's code, and the others behind them."""
        body = self.dresser.with_code(self.body, self.encoding, step)
        return self.publish + resized(self.header, body, self.channel, self.frame_max) + self.others


@dataclass(frozen=True, slots=True)
class FoundStartOk:
    """Connection.StartOk with SASL PLAIN (RFC 4616)."""

    dresser: Dresser = field(repr=False)
    frame: Frame = field(repr=False)
    read: Credentials = field(repr=False)
    password: Secret

    fits = True

    def dressed(self, step: int) -> bytes:
        """Return it with the step's code behind the password."""
        return with_password(self.frame, self.read, self.dresser.behind(self.password, step))
