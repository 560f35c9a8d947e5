"""The allow-list: which methods of a client may go upstream. Everything that is not named here is refused.

Before a login and while a session passes: what prepares a login and reads the user's own queues, never a side door, as an exchange
declared or bound, a queue whose arguments make the broker publish by itself (dead letters), another user's queue, a
transaction. Publishes are not judged here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from gateway.protocols.amqp.channels import MOST_REMEMBERED, Channel, Shut
from gateway.protocols.amqp.confirms import Confirms
from gateway.protocols.amqp.methods import Code, Cursor, Method, table
from gateway.protocols.amqp.venue import DIRECT_REPLY, Venue


@dataclass(frozen=True, slots=True)
class Refusal:
    """AMQP's own "no". Hard codes (RabbitMQ: 5xx) close the connection, others the channel."""

    code: Code
    text: str

    @property
    def hard(self) -> bool:
        """Say whether the whole connection ends."""
        return self.code >= Code.CHANNEL_ERROR


class Owner(Protocol):
    """Whose methods are judged."""

    venue: Venue
    user: str

    @property
    def passing(self) -> bool:
        """Say whether the session passes."""

    def owns(self, queue: str) -> bool:
        """Say whether a queue is the user's own."""


Verdict = Refusal | None
_Rule = Callable[[Cursor, Channel, Owner], Verdict]

NOT_IMPLEMENTED: Final = Refusal(Code.NOT_IMPLEMENTED, "NOT_IMPLEMENTED - not available through this gateway")
TOO_MANY: Final = Refusal(Code.NOT_ALLOWED, "NOT_ALLOWED - too many requests without waiting for their answers")

_PASSIVE, _EXCLUSIVE = 1, 4
_DECLARE_NO_WAIT, _CONSUME_NO_WAIT = 16, 8
_HARMLESS: Final = frozenset((
    b"x-expires", b"x-max-age", b"x-max-in-memory-bytes", b"x-max-in-memory-length", b"x-max-length", b"x-max-length-bytes",
    b"x-max-priority", b"x-message-ttl", b"x-queue-leader-locator", b"x-queue-master-locator", b"x-queue-mode", b"x-queue-type",
    b"x-queue-version", b"x-single-active-consumer", b"x-stream-max-segment-size-bytes",
))  # fmt: skip
"""Arguments of Queue.Declare that let the broker publish nothing. Any other is refused: x-dead-letter-*, x-overflow, alternate-exchange."""


def judge(name: int, cursor: Cursor, channel: Channel, owner: Owner) -> Verdict:
    """Return why a method may not go upstream; None: it may, and what it says of the channel is noted.

    `cursor` stands behind class and method number. Raises GarbledError where the arguments are not what they must be.
    """
    rule = _RULES.get(name)
    return rule(cursor, channel, owner) if rule else NOT_IMPLEMENTED


def _refused(what: str, owner: Owner) -> Refusal:
    user = owner.user.encode("ascii", "replace").decode()
    return Refusal(Code.ACCESS_REFUSED, f"ACCESS_REFUSED - {what} refused for user '{user}'")


def _free(_cursor: Cursor, _channel: Channel, _owner: Owner) -> Verdict:
    return None


def _exchange_declare(cursor: Cursor, _channel: Channel, owner: Owner) -> Verdict:
    cursor.number(2)
    exchange, _ = cursor.text(), cursor.short()
    asked = cursor.number(1) & _PASSIVE
    known = owner.passing or exchange == owner.venue.exchange_of(owner.user) or owner.venue.may_bind(exchange)
    return None if asked and known else _refused("declaring an exchange", owner)


def _exchange(_cursor: Cursor, _channel: Channel, owner: Owner) -> Verdict:
    return _refused("changing an exchange", owner)


def _queue_declare(cursor: Cursor, channel: Channel, owner: Owner) -> Verdict:
    cursor.number(2)
    queue, bits, arguments = cursor.text(), cursor.number(1), cursor.long()
    if len(channel.declares or ()) >= MOST_REMEMBERED:
        return TOO_MANY
    if bits & _PASSIVE:
        if not _is_own(queue, channel, owner):
            return _refused("a queue of another user", owner)
    elif not (owner.owns(queue) if queue else bits & _EXCLUSIVE):
        return _refused("a queue of another user", owner)
    elif any(name not in _HARMLESS for name, _, _ in table(arguments)):
        return _refused("queue arguments", owner)
    named = not queue and not bits & _PASSIVE
    if queue or named:
        channel.queue = queue
    if not bits & _DECLARE_NO_WAIT:
        channel.declares = [*(channel.declares or ()), named]
    return None


def _is_own(queue: str, channel: Channel, owner: Owner) -> bool:
    """Say whether a queue is the user's; "" stands for the last one declared on the channel, which may be unnamed yet."""
    name = queue or channel.queue
    return name is not None and (not name or owner.owns(name))


def _queue_bind(cursor: Cursor, channel: Channel, owner: Owner) -> Verdict:
    cursor.number(2)
    queue, exchange = cursor.text(), cursor.text()
    if _is_own(queue, channel, owner) and owner.venue.may_bind(exchange):
        return None
    return _refused("a binding", owner)


def _own_queue(cursor: Cursor, channel: Channel, owner: Owner) -> Verdict:
    cursor.number(2)
    return None if _is_own(cursor.text(), channel, owner) else _refused("a queue of another user", owner)


def _get(cursor: Cursor, channel: Channel, owner: Owner) -> Verdict:
    cursor.number(2)
    queue = cursor.text()
    if queue == DIRECT_REPLY or _is_own(queue, channel, owner):
        return None
    return _refused("a queue of another user", owner)


def _consume(cursor: Cursor, channel: Channel, owner: Owner) -> Verdict:
    cursor.number(2)
    queue, tag, bits = cursor.text(), cursor.short(), cursor.number(1)
    if not (queue == DIRECT_REPLY or _is_own(queue, channel, owner)):
        return _refused("a queue of another user", owner)
    if len(channel.consumes or ()) >= MOST_REMEMBERED:
        return TOO_MANY
    if bits & _CONSUME_NO_WAIT:
        channel.consuming(tag, queue or channel.queue or "")
    else:
        channel.consumes = [*(channel.consumes or ()), queue or channel.queue or ""]
    return None


def _cancel(cursor: Cursor, channel: Channel, _owner: Owner) -> Verdict:
    channel.cancelled(cursor.short())
    return None


def _confirm(_cursor: Cursor, channel: Channel, _owner: Owner) -> Verdict:
    channel.confirms = channel.confirms or Confirms()
    return None


def _leave(_cursor: Cursor, channel: Channel, _owner: Owner) -> Verdict:
    channel.shut = Shut.LEAVING
    return None


_RULES: Final[Mapping[int, _Rule]] = {
    Method.CHANNEL_FLOW: _free,
    Method.CHANNEL_FLOW_OK: _free,
    Method.CHANNEL_CLOSE: _leave,
    Method.CHANNEL_CLOSE_OK: _leave,
    Method.EXCHANGE_DECLARE: _exchange_declare,
    Method.EXCHANGE_DELETE: _exchange,
    Method.EXCHANGE_BIND: _exchange,
    Method.EXCHANGE_UNBIND: _exchange,
    Method.QUEUE_DECLARE: _queue_declare,
    Method.QUEUE_BIND: _queue_bind,
    Method.QUEUE_PURGE: _own_queue,
    Method.QUEUE_DELETE: _own_queue,
    Method.QUEUE_UNBIND: _own_queue,
    Method.BASIC_QOS: _free,
    Method.BASIC_CONSUME: _consume,
    Method.BASIC_CANCEL: _cancel,
    Method.BASIC_CANCEL_OK: _cancel,
    Method.BASIC_GET: _get,
    Method.BASIC_ACK: _free,
    Method.BASIC_REJECT: _free,
    Method.BASIC_RECOVER_ASYNC: _free,
    Method.BASIC_RECOVER: _free,
    Method.BASIC_NACK: _free,
    Method.CONFIRM_SELECT: _confirm,
}
