"""The hot path: what takes the short cut, what is left to the dialect, and what counts as business."""

import dataclasses
import random
import struct
import tracemalloc
from collections.abc import Iterator

import pytest

from gateway.core.dialect import Side
from gateway.protocols.amqp.rows import MOST_KNOWN
from gateway.protocols.amqp.watch import MOST_SEEN, BrokerWatch, ClientWatch
from tests.blackbox import amqp_bytes as amqp
from tests.unit.protocols.amqp.straight import agree, fresh
from tests.unit.protocols.amqp.talk import (
    EXCHANGE,
    FRAME_MAX,
    KEY,
    QUEUE,
    VENUE,
    Talk,
    ack,
    deliver,
    login,
    methods,
    order,
    request,
)


def passing(**given) -> Talk:
    talk = Talk(**given).passing()
    for watch in talk.watches.values():
        watch.business = False
    return talk


@pytest.mark.parametrize(
    "chunk",
    [
        pytest.param(order("one"), id="a publish"),
        pytest.param(order("x" * 9000) * 20, id="many"),
        pytest.param(amqp.publish_method(1, "x", "y"), id="a publish without its content"),
        pytest.param(amqp.frame(amqp.BODY, 1, b"x"), id="a body"),
        pytest.param(amqp.method("basic.ack", 1, bytes(9)), id="an ack"),
        pytest.param(amqp.HEARTBEAT_FRAME, id="a heartbeat"),
    ],
)
def test_business_takes_the_short_cut_as_the_very_chunk(chunk):
    assert passing().watches[Side.CLIENT](chunk) is chunk


@pytest.mark.parametrize(
    "chunk",
    [
        pytest.param(request(login()), id="the login's key"),
        pytest.param(amqp.publish_method(1, "anywhere", KEY), id="the login's key on any exchange"),
        pytest.param(amqp.get(1, QUEUE), id="what the allow-list judges"),
        pytest.param(amqp.channel_open(3), id="a channel"),
        pytest.param(amqp.connection_close(), id="a close"),
        pytest.param(amqp.frame(4, 1, b""), id="an unknown kind"),
        pytest.param(amqp.frame(amqp.CONTENT, 1, b"\0\x3c"), id="a header cut short"),
        pytest.param(order()[:-1] + b"\0", id="no frame end"),
        pytest.param(amqp.frame(amqp.METHOD, 1, b"\0\x3c\0\x28\0\0\xff"), id="a publish cut short"),
    ],
)
def test_what_needs_the_exact_look_is_the_dialects(chunk):
    assert passing().watches[Side.CLIENT](chunk) is None


@pytest.mark.parametrize("side", list(Side))
def test_an_unfinished_frame_is_held_until_it_is_whole(side):
    one = order("x" * 300) if side is Side.CLIENT else deliver(1, b"x" * 300)
    watch, out = passing().watches[side], b""
    for at in range(len(one)):
        came = watch(one[at : at + 1])
        out += came
        assert one.startswith(out)
        assert not came or came[-1:] == amqp.END

    assert out == one


def test_what_was_looked_at_before_the_odd_frame_goes_on_once():
    talk = passing()
    first, odd = order("one"), amqp.get(1, QUEUE)
    talk.client(first[:30], first[30:] + odd + order("two"))

    assert talk.up() == first + odd + order("two")


def test_publishes_before_the_odd_frame_are_counted_once():
    talk = Talk().passing(confirms=True).client(order("two") + request(login()) + order("four"))
    talk.broker(ack(1, 2), ack(1, 3))

    assert sorted(one.acked for one in methods(talk.down())) == [(2, False), (3, False), (4, False)]


def test_the_brokers_frames_take_the_short_cut_but_for_the_connections_own():
    watch = passing().watches[Side.UPSTREAM]
    chunk = deliver(1, b"one") + ack(1, 5) + deliver(2, b"")

    assert watch(chunk) is chunk
    assert watch(amqp.connection_close(320, "x")) is None


def test_while_an_answer_is_awaited_the_brokers_frames_are_the_dialects():
    talk = passing().client(amqp.consume(1, QUEUE))
    watch = talk.watches[Side.UPSTREAM]
    assert watch(deliver(2, b"x")) is None

    talk.broker(amqp.method("basic.consume-ok", 1, amqp.short("mine")))
    assert watch(deliver(2, b"x")) is not None


def test_the_watch_and_the_exact_look_agree_on_where_contents_end():
    """The same frames, cut anywhere and given to either: the same places between contents."""
    chance = random.Random(3)
    data = b"".join(
        [deliver(1, b"x" * 9000), deliver(2, b""), ack(1, 1), deliver(2, b"y" * 10, split=3), deliver(1, b"z", split=1)]
    )
    for _ in range(50):
        hot, exact = passing(), passing()
        exact.client(amqp.consume(1, QUEUE)).take()
        rest = data
        while rest:
            cut = chance.choice([1, 7, 100, 5000])
            hot.broker(rest[:cut])
            exact.broker(rest[:cut])
            rest = rest[cut:]
            for channel in (1, 2):
                lines = (hot.dialect._line, exact.dialect._line)
                assert lines[0].contents.between(channel) == lines[1].contents.between(channel)
        assert hot.down() == exact.down() == data
        assert hot.shortcuts
        assert not exact.shortcuts


# ── business (SF-10) ──


@pytest.mark.req("SF-10")
@pytest.mark.parametrize(
    ("chunk", "business"),
    [
        pytest.param(order("NewOrder"), True, id="an order"),
        pytest.param(order("ALIVE"), False, id="the venue's sign of life"),
        pytest.param(amqp.HEARTBEAT_FRAME, False, id="a heartbeat"),
        pytest.param(ack(1, 5), False, id="an ack"),
        pytest.param(request(b"<Inquiry/>"), True, id="by the exact look"),
        pytest.param(amqp.get(1, QUEUE), False, id="a poll"),
    ],
)
def test_business_of_the_client(chunk, business):
    talk = passing().client(chunk)

    assert talk.watches[Side.CLIENT].business is business


@pytest.mark.req("SF-10")
@pytest.mark.parametrize("count", [True, False])
def test_deliveries_are_business_where_the_venue_says_so(count):
    talk = passing(venue=dataclasses.replace(VENUE, deliveries_count=count)).broker(deliver(1, b"news"))

    assert talk.watches[Side.UPSTREAM].business is count


def test_an_idle_connections_dialect_is_small():
    Talk().passing()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    kept = [passing() for _ in range(50)]
    each = (tracemalloc.get_traced_memory()[0] - before) / len(kept)
    tracemalloc.stop()

    assert each < 20_000


def test_acks_are_renumbered_on_the_short_cut_wherever_they_stand():
    talk = (
        Talk().greeted().client(amqp.confirm_select(1), order("swallowed"), request(login())).admit().broker(ack(1, 1))
    )
    talk.answer().take()
    chunk = (
        deliver(1, b"one") + ack(1, 2) + ack(2, 2) + deliver(2, b"x" * 50) + ack(1, 3, multiple=True) + ack(1, 4)[:10]
    )

    talk.broker(chunk, ack(1, 4)[10:])

    assert talk.down() == (
        deliver(1, b"one") + ack(1, 3) + ack(2, 2) + deliver(2, b"x" * 50) + ack(1, 4, multiple=True) + ack(1, 5)
    )
    assert talk.shortcuts == 2


def test_acks_before_an_odd_frame_are_renumbered_once():
    talk = (
        Talk().greeted().client(amqp.confirm_select(1), order("swallowed"), request(login())).admit().broker(ack(1, 1))
    )
    talk.answer().take().broker(ack(1, 2) + amqp.HEARTBEAT_FRAME + ack(1, 3))

    assert talk.down() == ack(1, 3) + amqp.HEARTBEAT_FRAME + ack(1, 4)


# ── the straight lines ──


def varied(chunk: bytes) -> Iterator[bytes]:
    """The chunk with every bit of it turned, cut short by every length, and with more behind it."""
    for at, byte in enumerate(chunk):
        yield from (chunk[:at] + bytes([byte ^ 1 << bit]) + chunk[at + 1 :] for bit in range(8))
        yield chunk[:at]
    yield from (chunk + chunk, chunk + b"\xce", chunk + amqp.HEARTBEAT_FRAME, chunk + chunk[:30])


def copying(key: str, name: bytes = b"CC") -> bytes:
    """A publish that is harmless but for a header, which may copy it to a further key."""
    table = amqp.long(bytes([len(name)]) + name + b"S" + amqp.long(key))
    properties = amqp.frame(amqp.CONTENT, 1, struct.pack("!HHQH", 60, 0, 1, 0x2000) + table)
    return amqp.publish_method(1, EXCHANGE, "management") + properties + amqp.frame(amqp.BODY, 1, b"x")


class Watched(ClientWatch):
    """Counts the publishes at which the loop had to look."""

    looks = 0

    def _published(self, chunk: bytes, at: int, channel: int, end: int) -> int:
        self.looks += 1
        return super()._published(chunk, at, channel, end)


class WalkedBroker(BrokerWatch):
    """Counts how often the loop was needed."""

    walks = 0

    def _walk(self, chunk: bytes) -> bytes | None:
        self.walks += 1
        return super()._walk(chunk)


def test_a_publish_that_begins_as_the_last_one_did_is_not_looked_at():
    watch, line = fresh(Watched)
    for chunk in (order("one"), order("another", correlation_id="c2"), order(""), order("third")):
        assert watch(chunk) is chunk

    assert watch.looks == 2  # the first, and the one without a body
    assert line.confirming[1].sent == 4


def test_a_row_of_publishes_is_looked_at_once_wherever_chunks_are_cut():
    watch, line = fresh(Watched)
    stream = b"".join(order("x" * (50 + size)) for size in range(100))
    out = b"".join(watch(stream[at : at + 5000]) or b"" for at in range(0, len(stream), 5000))

    assert out == stream
    assert watch.looks <= 1 + len(stream) // 5000  # at most the one that a cut divides
    assert line.confirming[1].sent == 100


def test_each_row_is_looked_at_once_whatever_its_messages_are_and_whatever_stands_between():
    watch, line = fresh(Watched)
    known = [order("x"), order("x", 2), request(b"x", key="other"), copying("x", b"XY")]
    watch(b"".join(known))
    watch.looks = 0
    chunk = b"".join(known) * 3 + ack(1, 5) + b"".join(known) + amqp.HEARTBEAT_FRAME + known[0]

    assert watch(chunk) is chunk
    assert watch.looks == 2  # behind the ack and behind the heartbeat
    assert line.confirming[1].sent == 3 + 4 * 3 + 1


def test_a_row_ends_where_the_chunk_does_wherever_that_is():
    short, long = order("x"), order("x", correlation_id="c" * 200)
    for cut in range(1, len(long)):
        agree(ClientWatch, [short + long, short + long + long[:cut], long[cut:] + short])


@pytest.mark.parametrize(
    "long",
    [
        pytest.param(order("x" * FRAME_MAX, split=2 * FRAME_MAX), id="a body frame"),
        pytest.param(
            amqp.publish_method(1, "x", "y")
            + amqp.frame(amqp.CONTENT, 1, struct.pack("!HHQH", 60, 0, 1, 0) + bytes(FRAME_MAX))
            + amqp.frame(amqp.BODY, 1, b"x"),
            id="a header frame",
        ),
    ],
)
def test_no_frame_over_the_limit_passes_in_a_row(long):
    watch, line = fresh(ClientWatch)
    for _ in range(2):
        assert watch(order("x") * 2 + long) is None
        line.up.clear()


@pytest.mark.req("BY-2")
def test_a_copy_to_the_logins_key_is_seen_in_a_row_of_messages_with_other_headers():
    harmless, copies = copying(KEY, b"XY"), copying(KEY)
    watch, _ = fresh(ClientWatch)

    assert watch(harmless * 3) == harmless * 3
    assert watch(harmless * 3 + copies + harmless) is None


def test_one_delivery_or_one_ack_needs_no_loop():
    watch, _ = fresh(WalkedBroker)
    for chunk in (deliver(1, b"one"), ack(1, 5), deliver(1, b"two", tag=2), ack(1, 6, multiple=True)):
        assert watch(chunk) is chunk

    assert watch.walks == 0


@pytest.mark.parametrize(
    "chunk",
    [
        pytest.param(order("x"), id="with confirms"),
        pytest.param(order("x", 2), id="without"),
        pytest.param(order("ALIVE"), id="the venue's sign of life"),
        pytest.param(request(b"x", key="inquiri"), id="a bit from the login's key"),
        pytest.param(copying(KEY), id="with copies"),
        pytest.param(copying("x", b"XY"), id="with other headers"),
        pytest.param(ack(1, 5) + amqp.header(1, 1) + amqp.frame(amqp.BODY, 1, b"x"), id="an ack before a content"),
    ],
)
def test_however_a_known_publish_is_varied_the_loop_would_do_the_same(chunk):
    for one in varied(chunk):
        agree(ClientWatch, [chunk, chunk, one, chunk])


@pytest.mark.parametrize("renumbers", [False, True])
@pytest.mark.parametrize(
    "chunk",
    [
        pytest.param(deliver(1, b"x"), id="a delivery"),
        pytest.param(deliver(2, b"x"), id="on another channel"),
        pytest.param(deliver(1, b""), id="an empty one"),
        pytest.param(ack(1, 5), id="an ack"),
        pytest.param(
            amqp.method("basic.deliver", 1, bytes(14))
            + amqp.frame(amqp.CONTENT, 1, struct.pack("!HHQ", 60, 0, 1))
            + amqp.frame(amqp.BODY, 1, b"x"),
            id="a header without flags",
        ),
        pytest.param(ack(1, 5) + deliver(1, b"x")[len(deliver(1, b"")) :], id="an ack and more"),
        pytest.param(amqp.method("basic.return", 1, bytes(2) + amqp.short("gone") + bytes(2)), id="a return"),
    ],
)
def test_however_a_brokers_chunk_is_varied_the_loop_would_do_the_same(chunk, renumbers):
    for one in varied(chunk):
        agree(BrokerWatch, [chunk, one, chunk], renumbers)


@pytest.mark.req("BY-2")
def test_a_login_is_seen_behind_every_publish_that_is_nearly_one():
    for at in range(len(KEY)):
        watch, _ = fresh(ClientWatch)
        near = request(login(), key=KEY[:at] + "X" + KEY[at + 1 :])
        assert watch(near) is near
        assert watch(near) is near
        assert watch(request(login())) is None


@pytest.mark.req("BY-2")
def test_a_login_is_seen_behind_another_publish_without_a_content():
    near = (
        amqp.publish_method(1, "x", "y")
        + amqp.publish_method(1, "EXCHANGE", "inquiri")
        + amqp.frame(amqp.BODY, 1, b"x")
    )
    watch, _ = fresh(ClientWatch)
    assert watch(near) is near
    assert watch(near) is near
    assert watch(near.replace(b"inquiri", KEY.encode())) is None


@pytest.mark.req("BY-2")
def test_what_was_left_to_the_dialect_once_is_left_to_it_again():
    watch, line = fresh(ClientWatch)
    for _ in range(3):
        assert watch(request(login())) is None
        line.up.clear()
        line.up.given = False


@pytest.mark.req("BY-2")
def test_copies_are_seen_behind_every_publish_that_begins_alike():
    watch, _ = fresh(ClientWatch)
    copies = copying(KEY)
    alike = copies.replace(b"\x20\x00\x00", b"\x80\x00\x0f", 1)  # what were headers is a content type
    assert watch(alike) is alike
    assert watch(alike) is alike
    assert watch(copies) is None


def test_what_is_remembered_of_publishes_is_bounded():
    watch, _ = fresh(ClientWatch)
    for number in range(3 * MOST_SEEN):
        watch(
            order("x", channel=1 + number % 9, exchange=f"e{number}") if number % 2 else order("x", channel=1 + number)
        )

    assert len(watch._rows._known) <= MOST_KNOWN
    assert len(watch._seen) <= MOST_SEEN


def test_a_publish_with_more_behind_its_arguments_is_the_dialects():
    publish = amqp.publish_method(1, "x", "y")
    longer = amqp.frame(amqp.METHOD, 1, publish[7:-1] + bytes(1000))

    assert fresh(ClientWatch)[0](longer) is None
