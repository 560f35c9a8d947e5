"""How a client hears that a message of its was swallowed: in the venue's words, where it asked to be answered, and nowhere else.

Direct reply-to is answered on the channel itself; the user's own queue by the route's courier. A reply_to that is neither gets
nothing, or the gateway's account would publish wherever a client likes. A publish under confirms is acked by the gateway.
"""

from typing import Final

from gateway.core.dialect import Declined, Mail, Violation
from gateway.core.reason import Disclosure, Reason, public_text
from gateway.protocols.amqp.answers import refusal
from gateway.protocols.amqp.channels import Channel
from gateway.protocols.amqp.content import Properties, content
from gateway.protocols.amqp.gate import Refusal
from gateway.protocols.amqp.line import Line, Phase
from gateway.protocols.amqp.methods import Code, ack, close_connection, deliver
from gateway.protocols.amqp.parcel import Parcel
from gateway.protocols.amqp.venue import DIRECT_REPLY

TAG: Final = (1 << 53) - 1
"""Delivery tag of what the gateway delivers itself, to a no-ack consumer: no broker counts so far, and every language can hold it."""

UNEXPECTED: Final = Refusal(Code.UNEXPECTED_FRAME, "UNEXPECTED_FRAME - a content out of order")
CHANNEL_ERROR: Final = Refusal(Code.CHANNEL_ERROR, "CHANNEL_ERROR - no such channel")
NOT_ALLOWED: Final = Refusal(Code.NOT_ALLOWED, "NOT_ALLOWED - not on this connection, not now")


def cut(line: Line, refusal: Refusal) -> None:
    """End the connection in AMQP's own words; nothing of the client passes any more."""
    line.pass_down(close_connection(refusal.code, refusal.text))
    line.ended, line.phase = True, Phase.OVER
    line.out.say(Violation(Reason.GARBLED if refusal in (UNEXPECTED, CHANNEL_ERROR) else Reason.FORBIDDEN))


def swallow(line: Line, channel: Channel, properties: Properties, reason: Reason) -> None:
    """Say that a whole publish was not passed on, and why; `Declined` and all."""
    now, mail = answer(line, channel, properties, text_of(reason))
    line.inject(channel.number, now)
    line.out.say(*(Mail(one) for one in mail), Declined(reason))
    line.note(channel)


def text_of(reason: Reason) -> str:
    """Return the words for the sender; one neutral text where the reason is not for it."""
    return public_text(Reason.BAD_CODE if reason.disclosure is Disclosure.SILENT else reason)


def answer(line: Line, channel: Channel, properties: Properties, text: str) -> tuple[bytes, tuple[bytes, ...]]:
    """Return the frames for the channel, and the parcels for the courier, that say no to its last publish."""
    frames = ack(channel.number, channel.confirms.swallow()) if channel.confirms else b""
    told, mail = report(line, channel, properties, refusal(line.venue, text))
    return frames + told, mail


def report(line: Line, channel: Channel, properties: Properties, body: bytes) -> tuple[bytes, tuple[bytes, ...]]:
    """Return the frames, or else the parcel, that bring a message to where the client of `properties` awaits answers."""
    reply_to = properties.reply_to
    if not body or not line.may_answer(reply_to):
        return b"", ()
    if reply_to == DIRECT_REPLY:
        return delivery(line, channel, properties, body), ()
    parcel = Parcel(
        exchange="",
        routing_key=reply_to,
        body=body,
        content_type=line.venue.content_type,
        correlation_id=properties.correlation_id.decode(errors="replace"),
    )
    return b"", (parcel.encode(),)


def delivery(line: Line, channel: Channel, properties: Properties, body: bytes) -> bytes:
    """Return a message as frames to the consumer of reply_to on this channel; b"" where there is none."""
    consumer = channel.consumer_of(properties.reply_to)
    if consumer is None:
        return b""
    told = content(
        channel.number,
        body,
        line.frame_max,
        content_type=line.venue.content_type,
        correlation_id=properties.correlation_id,
    )
    return deliver(channel.number, consumer, TAG, properties.reply_to) + told
