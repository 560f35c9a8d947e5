"""Login requests that no honest client sends (issue 3, bad input): taken by nobody, and the gateway serves on."""

import base64
import gzip
from collections.abc import Callable

import pytest

from tests.blackbox import amqp_m7 as m7
from tests.blackbox.amqp_hostile import PATIENT, each, resident, serves_on, settled, takes_nothing

CODE = "{code}"
ATTRIBUTES = f'user="trader" {m7.CODE}="{CODE}"'
DECLARED = '<?xml version="1.0" encoding="UTF-8"?>'
LOGIN = f'<LoginReq xmlns="{m7.NAMESPACE}" {ATTRIBUTES}/>'
BOMB = "".join(f'<!ENTITY l{level} "{f"&l{level - 1};" * 10}">' for level in range(1, 10))
BODIES = {
    "billion laughs": f'<!DOCTYPE LoginReq [<!ENTITY l0 "lol">{BOMB}]>'
    f'<LoginReq xmlns="{m7.NAMESPACE}" {ATTRIBUTES}>&l9;</LoginReq>',
    "external entity": '<!DOCTYPE LoginReq [<!ENTITY x SYSTEM "file:///etc/hostname">]>'
    f'<LoginReq xmlns="{m7.NAMESPACE}" {ATTRIBUTES}>&x;</LoginReq>',
    "external DTD": f'<!DOCTYPE LoginReq SYSTEM "http://127.0.0.1:1/x.dtd">{LOGIN}',
    "internal DTD that adds an attribute": '<!DOCTYPE LoginReq [<!ATTLIST LoginReq force CDATA "true">]>' + LOGIN,
    "entity in the code": f'<!DOCTYPE LoginReq [<!ENTITY c "{CODE}">]>'
    f'<LoginReq xmlns="{m7.NAMESPACE}" user="trader" {m7.CODE}="&c;"/>',
    "another namespace": LOGIN.replace(m7.NAMESPACE, "http://www.deutsche-boerse.com/m7/v7"),
    "no namespace": LOGIN.replace(f'xmlns="{m7.NAMESPACE}" ', ""),
    "code twice": LOGIN.replace("/>", f' {m7.CODE}="123456"/>'),
    "user twice": LOGIN.replace("/>", ' user="other"/>'),
    "code of another namespace beside": LOGIN.replace("/>", f' xmlns:x="urn:x" x:{m7.CODE}="123456"/>'),
    "a login inside a login": f'<LoginReq xmlns="{m7.NAMESPACE}" {ATTRIBUTES}>{LOGIN}</LoginReq>',
    "not closed": LOGIN.replace("/>", ">"),
    "two roots": LOGIN + LOGIN,
    "no user": LOGIN.replace('user="trader" ', ""),
    "force that is no boolean": LOGIN.replace("/>", ' force="perhaps"/>'),
    "control character": LOGIN.replace("trader", "tra\x01der"),
}
"""A `LoginReq` that nobody may take: `{code}` stands for a good code."""


def written(body: str, code: str) -> bytes:
    return (DECLARED + body.replace(CODE, code)).encode()


@pytest.mark.req("M7-2", "M7-10")
async def test_a_login_that_two_readers_could_read_differently_is_taken_by_nobody(market):
    await market.gateway(policy=PATIENT)

    async def sent(body: str) -> None:
        hand = await market.hand()
        await hand.peer.send(hand.request(written(body, market.trader.code()), "login", m7.INQUIRY))
        await takes_nothing(market, hand)

    await each(BODIES, sent)
    await serves_on(market)


PACKED = {
    "UTF-16": lambda text: text.replace(DECLARED, "").encode("utf-16"),
    "UTF-16 without a mark": lambda text: text.replace("UTF-8", "UTF-16LE").encode("utf-16-le"),
    "UTF-32": lambda text: text.replace(DECLARED, "").encode("utf-32"),
    "UTF-7": lambda text: text.replace("UTF-8", "UTF-7").encode("utf-7"),
    "UTF-7, every letter": lambda text: b"+" + base64.b64encode(text.encode("utf-16-be")).rstrip(b"=") + b"-",
    "EBCDIC": lambda text: text.replace("UTF-8", "cp037").encode("cp037"),
}


@pytest.mark.req("M7-2", "M7-10")
@pytest.mark.parametrize("when", ["before the login", "after the login"])
async def test_a_code_in_another_alphabet_never_reaches_the_exchange(market, when):
    """Taken as a login or not at all: whichever it is, the exchange finds no code, and no body in that alphabet."""
    await market.gateway(policy=PATIENT)

    async def sent(how: Callable[[str], bytes]) -> None:
        hand = await market.hand()
        if when == "after the login":
            await hand.logged_in(force=True)
        code = market.trader.code()
        body = how(DECLARED + LOGIN.replace(CODE, code))
        await hand.peer.send(hand.request(body, "again", m7.INQUIRY), hand.order("behind-it"))
        await settled(hand)
        await hand.peer.leave()
        for request in market.exchange.requests:
            assert request.body != body
            assert code.encode() not in request.body.replace(b"\0", b"")
            assert m7.CODE.encode() not in request.body.replace(b"\0", b"")

    await each(PACKED, sent)
    await serves_on(market)


@pytest.mark.req("M7-2")
async def test_a_small_body_that_inflates_to_a_hundred_megabytes_is_refused_and_costs_no_memory(market):
    gateway = await market.gateway()
    hand = await market.hand()
    head = written(LOGIN, market.trader.code()).replace(b"/>", b">")
    bomb = gzip.compress(head + b" " * 100_000_000 + b"</LoginReq>")
    assert len(bomb) < 200_000
    before = resident(gateway.pid)

    await hand.peer.send(hand.request(bomb, "login", m7.INQUIRY, content_encoding="gzip"))

    await takes_nothing(market, hand)
    assert resident(gateway.pid) - before < 30_000_000


@pytest.mark.req("M7-2")
async def test_a_login_over_64_kb_is_no_login(market):
    await market.gateway()
    hand = await market.hand()
    body = written(LOGIN, market.trader.code()).replace(b"/>", b' more="' + b"x" * 70_000 + b'"/>')

    await hand.peer.send(hand.request(body, "login", m7.INQUIRY))

    await takes_nothing(market, hand)
