"""Webhooks to a real receiver: signed, over TLS, never redirected; and text messages through one."""

import hmac
from pathlib import Path

import pytest

from gateway.core.secret import Secret
from gateway.notify.channel import Away, Declined, Message
from gateway.notify.spec import HookSpec
from gateway.notify.webhook import Webhook
from tests.blackbox.mail_server import Receiver
from tests.blackbox.net_certificates import Authority
from tests.blackbox.ports import free_port

NOW = 1_800_000_000.25
SECRET = b"hook-secret-canary-0123456789abcdef"
LOGIN = Message("f" * 32, "login.admitted", "", NOW, {"user": "tom", "address": "192.0.2.7", "protocol": "fix"})


def hook(port: int, scheme: str = "http", **changes) -> Webhook:
    url = f"{scheme}://localhost:{port}/events?key=url-canary"
    return Webhook(HookSpec("siem", url, Secret(SECRET), **changes), clock=lambda: NOW)


async def sent(way: Webhook, message: Message = LOGIN) -> None:
    try:
        await way.send(message)
    finally:
        await way.close()


async def test_an_event_arrives_as_json_with_a_signature_that_verifies():
    async with Receiver() as receiver:
        await sent(hook(receiver.port))

    (post,) = receiver.posts
    assert post.data == {
        "id": "f" * 32, "event": "login.admitted", "time": "2027-01-15T08:00:00.250Z",
        "user": "tom", "address": "192.0.2.7", "protocol": "fix",
    }  # fmt: skip
    given = dict(part.split("=", 1) for part in post.headers["gateway-signature"].split(","))
    assert given["t"] == "1800000000"
    assert given["v1"] == hmac.new(SECRET, f"{given['t']}.".encode() + post.body, "sha256").hexdigest()


@pytest.mark.req("SF-16", "SF-17")
async def test_over_tls_to_whom_the_authority_vouches_for(tmp_path: Path):
    authority = Authority(tmp_path)
    async with Receiver(pair=authority.issue("siem")) as receiver:
        await sent(hook(receiver.port, "https", ca=authority.ca))
        with pytest.raises(Away):
            await sent(hook(receiver.port, "https"))

    assert len(receiver.posts) == 1


@pytest.mark.parametrize("status", ["302 Found\r\nLocation: http://localhost:{port}/else", "500 Oh", "404 Gone"])
async def test_every_answer_but_success_is_declined_and_no_redirect_is_followed(status):
    async with Receiver() as receiver:
        receiver.answers = [status.replace("{port}", str(receiver.port))]
        with pytest.raises(Declined, match=f"HTTP {status[:3]}"):
            await sent(hook(receiver.port, timeout=2.0))

    assert len(receiver.posts) == 1


async def test_a_dead_receiver_is_away_and_its_url_stays_unsaid():
    with pytest.raises(Away) as away:
        await sent(hook(free_port()))

    assert "canary" not in repr(away.value) + str(away.value.__cause__)


@pytest.mark.req("HK-2", "SF-1")
async def test_a_text_message_holds_number_code_and_the_advice():
    code = Message("e" * 32, "code", "+886900000000", NOW, {"user": "tom", "code": "123456", "until": NOW + 300})
    async with Receiver() as receiver:
        await sent(hook(receiver.port, sms=True), code)

    (post,) = receiver.posts
    assert (post.data["event"], post.data["to"]) == ("sms", "+886900000000")
    assert post.data["text"].startswith("123456 is your one-time code")
    assert "Never pass it on" in post.data["text"]
