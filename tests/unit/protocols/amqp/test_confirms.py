"""Publisher confirms over swallowed publishes: the client's tags and the broker's."""

import pytest

from gateway.core.reason import Reason
from gateway.protocols.amqp.confirms import MOST_GAPS, Confirms
from gateway.protocols.amqp.frames import GarbledError
from tests.blackbox import amqp_bytes as amqp
from tests.unit.protocols.amqp.talk import Talk, ack, deliver, frames, login, methods, names, order, request


def published(*passes: bool) -> Confirms:
    confirms = Confirms()
    for one in passes:
        confirms.sent += 1
        if not one:
            confirms.swallow()
    return confirms


def test_without_a_swallowed_publish_the_tags_are_the_brokers():
    confirms = published(True, True)

    assert not confirms.renumbers
    assert [confirms.clients(tag) for tag in (0, 1, 2)] == [0, 1, 2]


def test_the_brokers_tags_skip_what_it_never_saw():
    confirms = published(False, True, False, False, True, True, False)

    assert [confirms.clients(tag) for tag in (1, 2, 3)] == [2, 5, 6]


def test_the_brokers_own_tag_of_the_last_publish_is_known():
    assert published(False, True, False, True).brokers() == 2


def test_a_run_of_swallowed_publishes_takes_no_more_room_than_one():
    confirms = published(*[False] * 10_000, True)

    assert confirms.clients(1) == 10_001


def test_a_client_that_makes_too_many_gaps_is_cut_off():
    confirms = published(*[True, False] * MOST_GAPS)
    confirms.sent += 2
    with pytest.raises(GarbledError):
        confirms.swallow()


def acks(data: bytes) -> list[tuple[str, int, bool]]:
    return [(one.name, *one.acked) for one in methods(data) if one.name in {"basic.ack", "basic.nack"}]


@pytest.mark.req("M7-10")
def test_a_swallowed_publish_is_acked_by_the_gateway_and_later_acks_are_renumbered():
    talk = Talk().greeted().client(amqp.confirm_select(1)).take()
    talk.client(order("one"), order("two"))
    assert acks(talk.down()) == [("basic.ack", 1, False), ("basic.ack", 2, False)]

    talk.client(request(login())).admit().broker(ack(1, 1)).answer()
    assert acks(talk.down()) == [("basic.ack", 3, False)]

    talk.client(order("four"), order("five"), order("six"))
    talk.broker(ack(1, 3, multiple=True), ack(1, 4, name="basic.nack"))
    assert acks(talk.down()) == [("basic.ack", 5, True), ("basic.nack", 6, False)]


def test_an_ack_that_is_renumbered_keeps_every_other_byte_of_its_chunk():
    talk = Talk().greeted().client(amqp.confirm_select(1)).take()
    talk.client(order("swallowed"), request(login())).admit().answer().take()
    before, behind = deliver(2, b"x" * 5000, tag=7), deliver(1, b"y", tag=8)

    talk.broker(before + ack(1, 1) + behind + amqp.HEARTBEAT_FRAME)

    assert talk.down() == before + ack(1, 2) + behind + amqp.HEARTBEAT_FRAME


def test_other_channels_keep_their_numbers():
    talk = Talk().greeted().client(amqp.confirm_select(1), amqp.confirm_select(2))
    talk.client(order("swallowed"), request(login())).admit().answer().client(order("one", channel=2)).take()

    assert talk.broker(ack(2, 1)).down() == ack(2, 1)


def test_a_swallowed_second_login_is_acked_and_counted_while_the_session_passes():
    talk = Talk().passing(confirms=True)
    talk.client(order("two"), request(login()), order("four")).broker(ack(1, 2), ack(1, 3))

    assert sorted(acks(talk.down())) == [("basic.ack", 2, False), ("basic.ack", 3, False), ("basic.ack", 4, False)]
    assert talk.declined == [Reason.ALREADY_LOGGED_IN]


@pytest.mark.req("M7-10")
def test_the_ack_of_a_refused_login_waits_for_the_end_of_a_content_on_its_channel():
    talk = Talk().greeted().client(amqp.confirm_select(1), request(login()))
    head, header, first, last = pieces(deliver(1, b"x" * 6000))
    talk.broker(head + header + first).refuse()
    talk.down()

    talk.broker(last)

    assert talk.down() == last + ack(1, 1)


def pieces(data: bytes) -> list[bytes]:
    return [amqp.frame(one.kind, one.channel, one.payload) for one in frames(data)]


def test_a_channel_opened_anew_counts_anew():
    talk = Talk().passing(confirms=True).client(order("two"))
    talk.client(amqp.channel_close(1)).broker(amqp.method("channel.close-ok", 1))
    talk.client(amqp.channel_open(1), amqp.confirm_select(1), request(login()), order("two")).take()

    assert talk.broker(ack(1, 1)).down() == ack(1, 2)
    assert names(talk.up()) == []
