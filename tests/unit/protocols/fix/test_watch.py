"""FixWatch by itself against a reference that goes through the stream byte by byte: what it forwards is whole messages by
their lengths, none of them the dialect's, and of what it may forward it holds nothing back.
"""

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.core.dialect import Side, Violation
from gateway.protocols.fix.watch import LARGEST_CACHE, LARGEST_HELD, FixWatch, Sizes
from tests.fixbytes import logon, message
from tests.property.test_fix_watch import IMITATIONS, admitted, arrive, garbage, honest, padded, streams

SESSION_LEVEL = {Side.CLIENT: {b"A", b"2", b"4", b"5"}, Side.UPSTREAM: {b"A", b"4", b"5"}}
LOGON = b"35=A\x01"
SIDES = st.sampled_from(list(Side))


def lengths_say(stream):
    """Cut at what BodyLength says, from the first byte; the last piece is what is no whole message."""
    messages = []
    while stream:
        fields = stream.split(b"\x01", 2)
        if len(fields) < 3 or not fields[1].startswith(b"9=") or not fields[1][2:].isdigit():
            break
        size = len(fields[0]) + len(fields[1]) + 2 + int(fields[1][2:]) + 7
        if size > len(stream):
            break
        messages.append(stream[:size])
        stream = stream[size:]
    return messages, stream


def kind(message):
    return message.split(b"\x01", 3)[2].removeprefix(b"35=")


def ends(message):
    return message[-8:-4] == b"\x0110=" and message[-4:-1].isdigit() and message[-1:] == b"\x01"


def look(watch, chunks):
    """What the watch forwards and what it was given, up to the first chunk that is the dialect's."""
    passed = given_so_far = b""
    for chunk in chunks:
        out = watch(chunk)
        if out is None:
            break
        passed += out
        given_so_far += chunk
    return passed, given_so_far


anything = st.one_of(
    honest(), garbage, st.just(logon(1)), st.sampled_from(["2", "4", "5"]).map(lambda k: message(k, 8))
)


@pytest.mark.req("BY-2")
@given(streams(anything), SIDES)
def test_what_takes_the_short_cut_is_whole_messages_that_are_not_the_dialects(stream, side):
    _, chunks = stream
    watch = FixWatch(side, b"FIX.4.4")
    passed, given_so_far = look(watch, chunks)
    assert passed + watch.tail == given_so_far
    messages, rest = lengths_say(passed)
    assert rest == b""
    assert all(one.startswith(b"8=FIX.4.4\x01") for one in messages)
    assert not {kind(one) for one in messages} & SESSION_LEVEL[side]
    if side is Side.CLIENT:
        assert all(ends(one) for one in messages)
        assert LOGON not in passed


@st.composite
def business(draw):
    """An application message without a Logon's bytes; BodyLength as one peer writes it."""
    raw = b"".join(draw(st.lists(st.sampled_from([one for one in IMITATIONS if LOGON not in one]), max_size=3)))
    text = draw(st.text("abc=|A", min_size=1, max_size=40))
    return message(
        draw(st.sampled_from(["D", "8", "AE", "0"])), draw(st.integers(1, 10**7)), (58, text), (95, len(raw)), (96, raw)
    )


@given(streams(business()), SIDES, st.sampled_from([b"FIX.4.2", b"FIX.4.4", b"FIXT.1.1"]))
def test_of_honest_messages_only_the_unfinished_last_one_is_held_back(stream, side, begin):
    whole, cuts = stream
    messages = [one.replace(b"8=FIX.4.4\x01", b"8=%b\x01" % begin, 1) for one in lengths_say(whole)[0]]
    whole = b"".join(messages)
    watch = FixWatch(side, begin)
    at = 0
    passed = b""
    for size in [*map(len, cuts), len(whole)]:
        passed += watch(whole[at : at + size])
        at = min(at + size, len(whole))
        finished = [
            one for one, end in zip(messages, itertools.accumulate(map(len, messages)), strict=True) if end <= at
        ]
        assert passed == b"".join(finished)
        watch.settle()
        assert watch.number == (int(finished[-1].split(b"\x0134=")[1].split(b"\x01")[0]) if finished else 0)
        assert not watch.lost


@given(st.integers(0, 12), st.sampled_from(["D", "AE"]), SIDES)
def test_a_padded_body_length_takes_the_short_cut_from_the_second_chunk_on(width, of, side):
    chunk = b"".join(padded(message(of, number, (58, "x")), width) for number in range(2, 5))
    watch = FixWatch(side, b"FIX.4.4")
    first = watch(chunk)
    assert first in (chunk, None)
    assert watch(chunk) == chunk


@given(st.integers(1, 200))
@example(24)
def test_a_chunk_that_ends_anywhere_in_the_next_header_is_forwarded_up_to_it(extra):
    one, two = message("D", 2, (58, "x")), message("D", 3, (58, "y" * 200))
    watch = FixWatch(Side.CLIENT, b"FIX.4.4")
    assert watch(one + two[:extra]) == one
    assert watch.tail == two[:extra]
    assert watch(two[extra:] + one) == two + one
    assert watch.tail == b""


def without_an_end(*fields):
    """A message whose length is right and whose CheckSum field is missing: engines look for the next one inside it."""
    return message("D", 2, *fields)[:-7] + b"58=odd\x01"


@pytest.mark.req("BY-2")
@pytest.mark.parametrize("behind", [message("D", 3), message("D", 3)[:60], message("D", 3)[:9], b""])
def test_a_clients_message_that_does_not_end_is_the_dialects_wherever_it_stands(behind):
    odd = without_an_end((58, "8=FIX.4.4"), (9, 999), (35, "D"))
    for before in (b"", message("D", 1)):
        assert FixWatch(Side.CLIENT, b"FIX.4.4")(before + odd + behind) is None
    watch = FixWatch(Side.CLIENT, b"FIX.4.4")
    assert watch(odd[:50]) == b""
    assert watch(odd[50:] + behind) is None


@pytest.mark.req("BY-2")
def test_once_an_engine_may_see_other_boundaries_no_imitation_is_taken_for_data():
    forged = logon(7, user="mallory", sender="MALLORY")
    dialect = admitted()
    harmless = message("D", 2, (95, len(forged)), (96, forged))
    assert arrive(dialect, Side.CLIENT, harmless) == harmless
    odd = without_an_end((95, 20), (96, b"8=FIX.4.4\x019=500\x0135")) + message("D", 3)
    assert arrive(dialect, Side.CLIENT, odd) == odd
    assert isinstance(arrive(dialect, Side.CLIENT, harmless), Violation)


def test_what_the_watch_can_not_read_is_not_remembered():
    sizes = Sizes(b"", b"FIX.4.4", b"A245")
    for bad in (b"", b"8=FIX.4.4\x019=", b"8=FIX.4.2\x019=60\x0135=D\x01", b"8=FIX.4.4\x019=60\x0135=A\x01", b"x" * 24):
        assert sizes.of(bad) == 0
    assert not sizes.known


@pytest.mark.req("BY-2")
def test_what_is_remembered_is_bounded_whatever_a_peer_sends():
    sizes = Sizes(b"", b"FIX.4.4", b"A245")
    for length in range(LARGEST_CACHE + 100):
        assert (
            sizes.of(b"8=FIX.4.4\x019=%d\x0135=D\x01" % length) == length + len(b"8=FIX.4.4\x019=%d\x01" % length) + 7
        )
        assert len(sizes.known) <= LARGEST_CACHE


@given(st.lists(st.integers(0, 400), min_size=1, max_size=40), st.integers(1, 3), SIDES)
def test_a_memory_that_is_full_changes_nothing_of_what_passes(texts, room, side):
    stream = b"".join(message("D", number, (58, "x" * size)) for number, size in enumerate([1, *texts], 2))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gateway.protocols.fix.watch.LARGEST_CACHE", room)
        assert FixWatch(side, b"FIX.4.4")(stream) == stream


def test_an_unfinished_message_too_large_to_hold_is_the_dialects():
    large = message("D", 3, (58, "x" * LARGEST_HELD))
    for side in Side:
        watch = FixWatch(side, b"FIX.4.4")
        assert watch(message("D", 2) + large[:100]) is None
        assert watch(message("D", 2) + large[:9]) == message("D", 2)
        assert watch(large[9:100]) is None
        assert watch.tail == large[:9]
