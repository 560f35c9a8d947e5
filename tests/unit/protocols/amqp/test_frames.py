"""Frames and contents: where they end, what a header says, and what no frame can be."""

import struct

import pytest

from gateway.protocols.amqp.content import Collected, Contents, content, read_header, resized
from gateway.protocols.amqp.frames import Frame, GarbledError, Stream, bodies
from gateway.protocols.amqp.methods import Cursor, shortstr, table
from tests.blackbox import amqp_bytes as amqp
from tests.unit.protocols.amqp.talk import deliver, frames


def stream(*data: bytes) -> Stream:
    made = Stream()
    for one in data:
        made.add(one)
    return made


def of(data: bytes) -> list[Frame]:
    return [Frame(one.kind, one.channel, amqp.frame(one.kind, one.channel, one.payload)) for one in frames(data)]


def test_a_frame_is_taken_once_its_last_byte_is_there():
    one = amqp.publish_method(1, "exchange", "key")
    held = Stream()
    for size in range(len(one) - 1):
        held.add(one[size : size + 1])
        assert held.next() is None
    held.add(one[-1:])

    assert held.next() == Frame(amqp.METHOD, 1, one)
    assert len(held) == 0


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(amqp.frame(4, 1, b"trace"), id="an unknown kind"),
        pytest.param(amqp.HEARTBEAT_FRAME[:-1] + b"\0", id="no frame end"),
        pytest.param(struct.pack("!BHI", 3, 1, 8193), id="over the limit, before its body came"),
        pytest.param(amqp.HEADER, id="a protocol header"),
    ],
)
def test_what_can_be_no_frame_is_garbled(data):
    with pytest.raises(GarbledError):
        stream(data).next()


def test_a_frame_put_back_comes_again():
    held = stream(amqp.HEARTBEAT_FRAME * 2)
    one = held.next()
    held.back(one)

    assert (held.next(), held.next(), held.next()) == (one, one, None)


def test_a_header_is_read_to_its_last_property():
    raw = amqp.header(
        1, 7, content_type="t", content_encoding="gzip", delivery_mode=2, priority=1, correlation_id="c", reply_to="r",
        expiration="60", message_id="m", type="y", user_id="u", app_id="a",
    )  # fmt: skip

    read = read_header(frames(raw)[0].payload)

    assert (read.size, read.content_encoding, read.correlation_id) == (7, "gzip", b"c")
    assert (read.reply_to, read.user_id, read.app_id, read.copies) == ("r", "u", "a", ())


def with_headers(fields: bytes) -> bytes:
    return struct.pack("!HHQH", 60, 0, 0, 1 << 13) + amqp.long(fields)


@pytest.mark.parametrize("name", [b"CC", b"BCC"])
def test_copies_are_further_routing_keys(name):
    keys = b"S" + amqp.long("one") + b"S" + amqp.long("two")

    assert read_header(with_headers(amqp.short(name) + b"A" + amqp.long(keys))).copies == (b"one", b"two")


def test_a_header_name_inside_a_value_is_no_copy():
    assert read_header(with_headers(amqp.short("x") + b"F" + amqp.table({"CC": "one"}))).copies == ()


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(struct.pack("!HHQH", 90, 0, 0, 0), id="another class"),
        pytest.param(struct.pack("!HHQ", 60, 0, 0), id="cut short"),
        pytest.param(struct.pack("!HHQH", 60, 0, 0, 1 << 15), id="a property that is not there"),
        pytest.param(struct.pack("!HHQH", 60, 0, 0, 1), id="a flag that goes on"),
        pytest.param(struct.pack("!HHQH", 60, 0, 0, 0) + b"x", id="bytes behind it"),
        pytest.param(struct.pack("!HHQH", 60, 0, 0, 1 << 9) + b"\1\xff", id="a reply_to that is not UTF-8"),
        pytest.param(with_headers(b"\1xL" + bytes(8)), id="a type that RabbitMQ does not have"),
        pytest.param(with_headers(b"\2CCA" + amqp.long(b"I" + bytes(4))), id="a key that is a number"),
        pytest.param(with_headers(b"\xff"), id="a table cut short"),
    ],
)
def test_a_header_that_could_be_read_in_two_ways_is_garbled(payload):
    with pytest.raises(GarbledError):
        read_header(payload)


def test_every_field_type_of_the_broker_is_stepped_over():
    sizes = {
        b"t": 1,
        b"b": 1,
        b"B": 1,
        b"s": 2,
        b"u": 2,
        b"I": 4,
        b"i": 4,
        b"f": 4,
        b"D": 5,
        b"l": 8,
        b"T": 8,
        b"d": 8,
        b"V": 0,
    }
    fields = b"".join(amqp.short(kind) + kind + bytes(size) for kind, size in sizes.items())
    fields += b"".join(amqp.short(kind) + kind + amqp.long(b"xy") for kind in (b"S", b"F", b"A", b"x"))

    assert [name for name, _, _ in table(fields)] == [*sizes, b"S", b"F", b"A", b"x"]


def test_a_cursor_never_reads_beyond_the_payload():
    with pytest.raises(GarbledError):
        Cursor(b"\x05abc").short()


def test_a_short_string_is_cut_at_a_character():
    assert shortstr("é" * 200) == b"\xfe" + ("é" * 127).encode()


def test_a_resized_header_differs_in_its_size_alone():
    before = amqp.header(3, 500, content_type="x", reply_to="r", message_id="m")

    assert resized(before, b"body", 3, 4096) == amqp.header(
        3, 4, content_type="x", reply_to="r", message_id="m"
    ) + amqp.frame(amqp.BODY, 3, b"body")


@pytest.mark.parametrize("size", [0, 1, 4088, 4089, 10_000])
def test_body_frames_are_no_larger_than_agreed(size):
    made = frames(bodies(1, b"x" * size, 4096))

    assert b"".join(one.payload for one in made) == b"x" * size
    assert all(0 < len(one.payload) <= 4088 for one in made)


def test_a_content_of_the_gateways_own_reads_back():
    head, body = frames(content(2, b"text", 4096, app_id="a", content_type="t", user_id=""))

    assert amqp.read_properties(head.payload) == (4, {"content_type": "t", "app_id": "a"})
    assert body.payload == b"text"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(amqp.frame(amqp.BODY, 1, b"x"), id="a body first"),
        pytest.param(amqp.header(1, 5) + amqp.header(1, 5), id="two headers"),
        pytest.param(amqp.header(1, 1) + amqp.frame(amqp.BODY, 1, b"xy"), id="longer than announced"),
    ],
)
def test_a_content_out_of_order_is_garbled(data):
    *before, last = of(data)
    collected = Collected(keep=True)
    for one in before:
        collected.add(one)

    with pytest.raises(GarbledError):
        collected.add(last)


def test_a_content_is_complete_with_its_last_byte():
    collected = Collected(keep=True)
    seen = []
    for one in of(amqp.header(1, 3) + amqp.frame(amqp.BODY, 1, b"") + b"".join(amqp.pieces(1, b"abc", 2))):
        collected.add(one)
        seen.append(collected.complete)

    assert seen == [False, False, False, True]


def test_between_contents_is_where_each_channel_has_all_of_its_body():
    contents, both = Contents(), []
    first, second = of(deliver(1, b"abcd", split=2)), of(deliver(2, b"x"))
    order = [first[0], second[0], first[1], second[1], first[2], second[2], first[3]]
    for one in order:
        contents.passed(one)
        both.append((contents.between(1), contents.between(2)))

    assert both == [(False, True), *[(False, False)] * 4, (False, True), (True, True)]
