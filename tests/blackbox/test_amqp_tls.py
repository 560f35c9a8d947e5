"""AMQP over TLS to the client and to the broker (TW-4, SF-16), and client certificates (M7-13): who is bound to what."""

import ssl

import pytest

from tests.blackbox import amqp_bytes as amqp
from tests.blackbox.amqp_floor import Hand
from tests.blackbox.net_certificates import Authority
from tests.blackbox.ops_rig import add_user
from tests.blackbox.people import Person

PEOPLE = ("trader", "quick", "other", "carol", "dave")
METHODS = {"carol": "password+totp", "dave": "upstream+totp"}
"""carol comes with PLAIN, dave with EXTERNAL: the broker takes his certificate for a password, the code stays the gateway's."""


def door(keys, ca, *, demanded: str = "none") -> str:
    """A listener's TLS; `demanded`: whether clients must show a certificate of the authority `ca`."""
    client = f'client_ca = "{ca}"\nclient_certificate = "{demanded}"\n' if demanded != "none" else ""
    return f'[listener.tls]\ncertificate = "{keys.certificate}"\nprivate_key = "{keys.key}"\n{client}'


def to_broker(broker) -> str:
    """The route's TLS: the gateway's own certificate, and the authority that only the broker trusts."""
    return f"""[route.tls]
ca = "{broker.ca}"
certificate = "{broker.gateway_certificate}"
private_key = "{broker.gateway_key}"
issuer = "{broker.gateway_ca}"
issuer_key = "{broker.gateway_ca_key}"
"""


def context(authority: Authority, keys=None) -> ssl.SSLContext:
    found = ssl.create_default_context(cafile=str(authority.ca))
    if keys:
        found.load_cert_chain(keys.certificate, keys.key)
    return found


@pytest.fixture
def authority(tmp_path) -> Authority:
    return Authority(tmp_path)


class Guarded:
    """A gateway with TLS on both legs that demands certificates; carol's and dave's are bound to them by fingerprint."""

    def __init__(self, market, authority: Authority) -> None:
        self.market = market
        self.authority = authority

    async def start(self, demanded: str = "required") -> None:
        market, authority = self.market, self.authority
        keys = authority.issue("gateway.example")
        await market.vhost.welcome(*PEOPLE)
        self.gateway = await market.gateway(
            listener=door(keys, authority.ca, demanded=demanded),
            route=to_broker(market.vhost.broker),
            broker=market.vhost.broker.amqps,
        )
        self.keys = {name: authority.issue(name) for name in ("carol", "dave")}
        self.people = {name: await self._add(name) for name in self.keys}

    async def _add(self, name: str) -> Person:
        bound = ("--certificate", self.keys[name].fingerprint, "--method", METHODS[name])
        return await add_user(self.gateway, name, name.upper(), options=bound)

    async def hand(self, name: str, *, shows: str = "", **options) -> Hand:
        keys = self.keys[shows] if shows else None
        peer = await self.market.wire(context=context(self.authority, keys))
        hand = Hand(peer, self.people[name], self.market.vhost.name)
        await hand.open(**options)
        return hand


@pytest.fixture
async def guarded(market, authority):
    return Guarded(market, authority)


@pytest.mark.req("TW-4", "SF-16", "SF-17")
@pytest.mark.parametrize("library", ["aio-pika", "pika", "amqplib"])
async def test_each_library_logs_in_and_trades_over_tls_on_both_legs(market, authority, library):
    keys = authority.issue("gateway.example")
    await market.gateway(
        listener=door(keys, authority.ca), route=to_broker(market.vhost.broker), broker=market.vhost.broker.amqps
    )
    app = await market.app(library=library, ca=authority.ca)

    await app.logged_in()

    assert (await app.order("one")).name == "AckResp"
    assert (await app.told("OrdrExeRprt"))["clOrdrId"] == "one"
    assert market.exchange.names() == ["LoginReq", "OrdrEntry"]


@pytest.mark.req("TW-4", "M7-13")
async def test_a_client_without_a_certificate_gets_no_byte_of_amqp(guarded):
    await guarded.start()
    peer = await guarded.market.wire(context=context(guarded.authority))
    await peer.send(amqp.HEADER)
    await peer.until_closed()
    assert peer.items == []


@pytest.mark.req("M7-13", "TW-12")
@pytest.mark.parametrize(("name", "mechanism"), [("carol", "PLAIN"), ("dave", "EXTERNAL")])
async def test_the_certificates_owner_logs_in_with_either_mechanism(guarded, name, mechanism):
    """EXTERNAL: the broker sees a certificate of the client's own name, made by the gateway; no password is sent at all."""
    await guarded.start()

    hand = await (await guarded.hand(name, shows=name, mechanism=mechanism)).logged_in()
    await hand.trade("one")

    (login, _) = guarded.market.exchange.requests
    assert (login.user, login.properties.user_id) == (name, name)
    assert (await guarded.gateway.until(event="session_started"))["user"] == name


@pytest.mark.req("M7-13")
async def test_the_end_of_a_session_by_certificate_is_told_at_the_exchange(guarded):
    await guarded.start()
    hand = await (await guarded.hand("dave", shows="dave", mechanism="EXTERNAL")).logged_in()

    hand.peer.vanish()

    (logout,) = await guarded.market.exchange.until_logged_out()
    assert (logout.user, logout.properties.user_id) == ("dave", "dave")


@pytest.mark.req("M7-13", "TW-12", "TW-1")
async def test_a_good_certificate_of_somebody_else_opens_nobodys_session(guarded):
    await guarded.start()
    hand = await guarded.hand("carol", shows="dave")

    await hand.peer.send(hand.login(), hand.order("behind-it"))

    await hand.peer.until_closed()
    await guarded.gateway.until(event="login", outcome="refused", reason="not_bound")
    assert guarded.market.exchange.requests == []


@pytest.mark.req("M7-13", "TW-12")
async def test_an_application_id_that_is_not_bound_to_the_certificates_user_is_refused(guarded):
    await guarded.start()
    hand = await guarded.hand("carol", shows="carol")

    await hand.peer.send(hand.login(app_id="DAVE"))

    await hand.peer.until_closed()
    await guarded.gateway.until(event="login", outcome="refused", reason="not_bound")
    assert guarded.market.exchange.requests == []


@pytest.mark.req("M7-13")
async def test_external_makes_nobody_but_the_certificates_owner_whatever_the_client_calls_itself(guarded):
    await guarded.start()
    hand = await guarded.hand("dave", shows="dave", mechanism="EXTERNAL")
    carol = Hand(hand.peer, guarded.people["carol"], guarded.market.vhost.name)
    carol.queue = hand.queue

    await carol.peer.send(carol.login(), hand.order("behind-it"))

    assert (await hand.answer("behind-it")).name == "ErrResp"
    assert guarded.market.exchange.requests == []
    assert await guarded.market.vhost.connections("carol") == []


@pytest.mark.req("M7-13", "M7-2")
async def test_a_client_without_a_certificate_is_not_even_offered_external(market):
    await market.gateway()
    peer = await market.wire()
    await peer.send(amqp.HEADER)
    start = await peer.method("connection.start")
    assert b"PLAIN" in start.arguments
    assert b"EXTERNAL" not in start.arguments
    assert b"AMQPLAIN" not in start.arguments

    await peer.send(amqp.start_ok("EXTERNAL", b""))

    await peer.until_closed()
    assert market.exchange.requests == []


@pytest.mark.req("M7-13", "M7-11")
async def test_a_certificate_is_no_code(guarded):
    await guarded.start()
    hand = await guarded.hand("dave", shows="dave", mechanism="EXTERNAL")

    answer = await hand.log_in(guarded.people["dave"].wrong_code())

    assert answer.name == "ErrResp"
    await guarded.gateway.until(event="login", reason="bad_code")
    assert guarded.market.exchange.requests == []
