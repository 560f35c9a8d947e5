"""Mail to a real SMTP server: TLS, login, refusals, and nothing that a name could smuggle into a header."""

import asyncio
from dataclasses import replace
from email.utils import parseaddr
from pathlib import Path

import pytest

from gateway.core.secret import Secret
from gateway.notify.channel import Away, Declined, Message, Undeliverable
from gateway.notify.mail import Mail, is_address
from gateway.notify.spec import MailSpec
from tests.blackbox.mail_server import PASSWORD, USER, Mailbox
from tests.blackbox.net_certificates import Authority, Pair
from tests.blackbox.ports import free_port

NOW = 1_800_000_000.0
SENDER = "The Gateway <gateway@example.com>"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def pair(authority: Authority) -> Pair:
    return authority.issue("mail.test")


def login(to: str = "tom@example.com", user: str = "tom") -> Message:
    return Message("f" * 32, "login.admitted", to, NOW, {"user": user, "address": "192.0.2.7"})


def spec(port: int, **changes) -> MailSpec:
    return replace(MailSpec("localhost", port, "starttls", SENDER), **changes)


@pytest.mark.req("SF-11", "SF-16", "SF-17")
@pytest.mark.parametrize("implicit", [False, True], ids=["starttls", "tls"])
async def test_a_mail_arrives_over_tls_after_a_login(authority, pair, implicit):
    async with Mailbox(pair, implicit=implicit, auth=True) as server:
        way = "tls" if implicit else "starttls"
        mail = Mail(spec(server.port, tls=way, ca=authority.ca, user=USER, password=Secret(PASSWORD)))
        await mail.send(login())

    (came,) = server.mails
    assert server.encrypted == [True]
    assert server.envelopes == [("gateway@example.com", "tom@example.com")]
    assert came["Subject"] == "Login of tom"
    assert parseaddr(came["From"]) == ("The Gateway", "gateway@example.com")
    assert "192.0.2.7" in came.get_content()


async def test_its_id_stays_the_same_and_holiday_answers_stay_away():
    async with Mailbox() as server:
        mail = Mail(spec(server.port, tls="plain"))
        await mail.send(login())
        await mail.send(login())

    assert [one["Message-ID"] for one in server.mails] == [f"<{'f' * 32}@example.com>"] * 2
    assert server.mails[0]["Auto-Submitted"] == "auto-generated"


@pytest.mark.req("SF-16")
async def test_a_server_without_starttls_gets_nothing(authority):
    async with Mailbox() as server:
        with pytest.raises(Away):
            await Mail(spec(server.port, ca=authority.ca)).send(login())

    assert server.raw == []


@pytest.mark.req("SF-17")
async def test_a_certificate_that_does_not_hold_gets_nothing(tmp_path, pair):
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other")
    async with Mailbox(pair) as server:
        with pytest.raises(Away):
            await Mail(spec(server.port, ca=other.ca)).send(login())

    assert server.raw == []


async def test_a_wrong_password_is_the_servers_no_and_shows_nothing(authority, pair):
    async with Mailbox(pair, auth=True) as server:
        mail = Mail(spec(server.port, ca=authority.ca, user=USER, password=Secret("wrong-canary")))
        with pytest.raises(Away) as refused:
            await mail.send(login())

    assert "535" in str(refused.value)
    assert "canary" not in repr(refused.value)


async def test_a_dead_server_is_away():
    with pytest.raises(Away):
        await Mail(spec(free_port(), tls="plain")).send(login())


async def test_a_refused_recipient_is_declined_with_the_code_and_without_the_servers_words():
    async with Mailbox(refuse=lambda to: f"550 no {to} here") as server:
        with pytest.raises(Declined) as refused:
            await Mail(spec(server.port, tls="plain")).send(login())

    assert "550" in str(refused.value)
    assert "tom" not in str(refused.value)


@pytest.mark.parametrize(
    "user", ["tom\r\nBcc: eve@example.com", "tom\n\nDear user, click here", "tom\x00\x0b\u2028X: y"]
)
async def test_a_name_with_line_breaks_makes_no_header_and_no_line(user):
    async with Mailbox() as server:
        await Mail(spec(server.port, tls="plain")).send(login(user=user))

    (came,) = server.mails
    assert came["Bcc"] is None
    assert came["X"] is None
    assert server.envelopes == [("gateway@example.com", "tom@example.com")]
    assert not any(line.startswith(("Bcc", "Dear", "X:")) for line in came.get_content().splitlines())


@pytest.mark.parametrize(
    "address",
    ["tom@example.com\r\nBcc: eve@example.com", "tom@example.com, eve@example.com", "tom", "@x", "tom@", "a@b@c",
     "<tom@example.com>", '"tom\r\n"@example.com', "tom@exa mple.com", "tom@example.com\n", "töm@example.com", ""],
)  # fmt: skip
async def test_what_is_no_address_is_never_tried(address):
    async with Mailbox() as server:
        with pytest.raises(Undeliverable):
            await Mail(spec(server.port, tls="plain")).send(login(to=address))

    assert server.raw == []


@pytest.mark.parametrize("address", ["a@b.c", "first.last+tag@sub.example.com", "o'neil@example.com", "x@localhost"])
def test_common_addresses_are_addresses(address):
    assert is_address(address)


async def test_a_name_in_any_script_arrives_as_it_is():
    async with Mailbox() as server:
        await Mail(spec(server.port, tls="plain")).send(login(user="交易員"))

    assert "交易員" in server.mails[0]["Subject"]
    assert "交易員" in server.mails[0].get_content()


async def test_a_crowd_shares_one_connection_and_gets_a_mail_each():
    async with Mailbox() as server:
        mail = Mail(spec(server.port, tls="plain"))
        names = [f"u{number}@example.com" for number in range(12)]
        await asyncio.gather(*(mail.send(login(to=name)) for name in names))
        await mail.close()

    assert sorted(str(one["To"]) for one in server.mails) == sorted(names)
    assert [to for _, to in server.envelopes] == [str(one["To"]) for one in server.mails]
    assert server.connections == 1


async def test_a_connection_that_the_server_closed_meanwhile_is_made_again():
    server = Mailbox()
    async with server:
        mail = Mail(spec(server.port, tls="plain"))
        await mail.send(login())
        await server.stop()
        await server.start()
        await mail.send(login())
        await server.stop()
        with pytest.raises(Away):
            await mail.send(login())
        await mail.close()

    assert len(server.mails) == 2


async def test_a_refused_recipient_does_not_spoil_the_next_ones_mail():
    async with Mailbox(refuse=lambda to: "550 no" if to.startswith("eve") else None) as server:
        mail = Mail(spec(server.port, tls="plain"))
        with pytest.raises(Declined):
            await mail.send(login(to="eve@example.com"))
        await mail.send(login())
        await mail.close()

    assert server.envelopes == [("gateway@example.com", "tom@example.com")]
