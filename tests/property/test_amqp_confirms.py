"""Swallowing and renumbering against a model that keeps a list: every publish is confirmed once, by the tag its client counts."""

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.protocols.amqp.confirms import Confirms
from tests.unit.protocols.amqp.talk import Talk, ack, login, methods, order, request

PASSES = st.lists(st.booleans(), max_size=60)


@given(PASSES)
def test_the_brokers_tag_is_the_clients_of_the_same_publish(passes):
    confirms, brokers = Confirms(), []
    for tag, one in enumerate(passes, 1):
        confirms.sent += 1
        if one:
            brokers.append(tag)
            assert confirms.brokers() == len(brokers)
        else:
            assert confirms.swallow() == tag

    assert [confirms.clients(tag) for tag in range(1, len(brokers) + 1)] == brokers


@st.composite
def histories(draw):
    """Publishes (True: passes, False: a second login, which is swallowed) and the broker's acks, in any order it may send them."""
    steps, unacked, sent = [], [], 0
    for one in draw(st.lists(st.sampled_from(["pass", "swallow", "ack", "multiple", "nack"]), max_size=40)):
        if one == "pass":
            sent += 1
            unacked.append(sent)
        if one in {"pass", "swallow"}:
            steps.append((one, 0))
        elif unacked:
            tag = draw(st.sampled_from(unacked))
            steps.append((one, tag))
            unacked = (
                [left for left in unacked if left > tag] if one == "multiple" else [t for t in unacked if t != tag]
            )
    return steps


@settings(max_examples=60, deadline=None)
@given(histories())
def test_a_client_sees_each_of_its_publishes_confirmed_as_the_model_says(steps):
    talk = Talk().passing(confirms=True)
    tag, passed, expected, seen = 1, [1], set(), set()
    unconfirmed = set()
    for what, broker in steps:
        if what in {"pass", "swallow"}:
            tag += 1
            unconfirmed.add(tag)
            talk.client(order() if what == "pass" else request(login()))
            if what == "pass":
                passed.append(tag)
            else:
                expected.add((tag, "basic.ack"))
        else:
            multiple = what == "multiple"
            name = "basic.nack" if what == "nack" else "basic.ack"
            of = passed[broker]  # the broker's first was the login itself
            for one in passed[1:]:
                if (one == of or (multiple and one < of)) and (one, "basic.ack") not in seen and one in unconfirmed:
                    expected.add((one, name))
            talk.broker(ack(1, broker + 1, multiple=multiple, name=name))
        for method in methods(talk.down()):
            acked, every = method.acked
            news = {one for one in unconfirmed if one == acked or (every and one < acked)}
            seen |= {(one, method.name) for one in news}
            unconfirmed -= news

    assert seen == expected
