"""Canary secrets over AMQP (TW-10): no password, code or key in what the gateway writes, and no code in what the exchange gets."""

import json

import pytest

from tests.blackbox import amqp_bytes as amqp
from tests.blackbox import amqp_m7 as m7
from tests.blackbox.ops_rig import add_user
from tests.blackbox.people import PASSWORD
from tests.blackbox.test_redaction import key_spellings, spellings, written

CANARY_CODE = "90417363"
"""Eight digits, so that no time stamp or port holds them by chance; they are refused."""


@pytest.mark.req("TW-10", "TW-11", "M7-2", "M7-4")
async def test_no_secret_is_found_in_anything_written_answered_or_forwarded(market):
    wire = await market.floor.wire(market.vhost.broker.amqp)
    gateway = await market.gateway(broker=wire.port, top='[log]\nlevel = "debug"')
    await market.vhost.welcome("trader", "quick", "other", "carol")
    carol = await add_user(gateway, "carol", "CAROL")
    hand = await market.hand(carol)

    await hand.log_in(CANARY_CODE)
    await hand.peer.send(hand.request(m7.login("carol", CANARY_CODE), "misplaced", m7.MANAGEMENT))
    await hand.answer("misplaced")
    handshake = len(wire.forth.seen)  # the SASL password had to pass; nothing secret may follow it
    good = carol.code()
    await hand.logged_in(code=good, number="good")
    await hand.trade("one")
    await hand.peer.send(hand.request(m7.login("carol", CANARY_CODE), "second", m7.INQUIRY))
    await hand.answer("second")
    await hand.peer.send(amqp.update_secret(PASSWORD + good))
    await hand.peer.method("connection.update-secret-ok")
    listing = [await gateway.run(*words.split()) for words in ("sessions --json", "user show carol --json")]
    metrics = await gateway.page("/metrics")
    await hand.peer.send(amqp.update_secret(PASSWORD + CANARY_CODE[:6]))
    await hand.peer.until_closed()
    await gateway.terminate()

    places = {
        **{name: content for name, content in written(gateway).items() if name != "gateway.toml"},
        "log": json.dumps(gateway.lines).encode(),
        "stderr": "".join(gateway.stderr).encode(),
        "commands": "".join(listing).encode(),
        "metrics": metrics.encode(),
        "answers": b"".join(one.body for one in hand.peer.contents()),
        "exchange": b"".join(request.body for request in market.exchange.requests),
        "broker": bytes(wire.forth.seen[handshake:]),
    }
    canaries = {
        "the password": spellings(PASSWORD),
        "the wrong code": spellings(CANARY_CODE),
        "the TOTP key": key_spellings(carol.secret),
    }
    found = [
        (what, where)
        for what, forms in canaries.items()
        for form in forms
        for where, content in places.items()
        if form in content
    ]
    assert found == []
    forwarded = places["exchange"] + bytes(wire.forth.seen)
    assert CANARY_CODE.encode() not in forwarded
    assert good.encode() not in forwarded
    assert m7.CODE.encode() not in forwarded
