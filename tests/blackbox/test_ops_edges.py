"""Both legs as they are deployed: HAProxy in front, TLS with client certificates, TLS towards the engine, new certificates."""

import contextlib
import shutil
import signal
import sqlite3
import ssl
from pathlib import Path

import pytest

from tests.blackbox.net_certificates import Authority, Pair
from tests.blackbox.ops_haproxy import haproxy
from tests.blackbox.ops_peers import Client, Exchange
from tests.blackbox.ops_rig import add_user, audit_is_whole, command, config, eventually, live, tell

BALANCED = 'plain = true\nproxy_protocol_from = ["127.0.0.1/32"]'


@pytest.fixture
async def exchange():
    async with Exchange() as here:
        yield here


@pytest.fixture
def ca(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def speaking(ca: Authority, pair: Pair | None = None) -> ssl.SSLContext:
    """A client's TLS: it trusts the authority, and has a certificate of its own where one is given."""
    context = ssl.create_default_context(cafile=ca.ca)
    if pair is not None:
        context.load_cert_chain(pair.certificate, pair.key)
    return context


def answering(pair: Pair) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    return context


def mutual(front: Pair, ca: Authority) -> str:
    return (
        f'[listener.tls]\ncertificate = "{front.certificate}"\nprivate_key = "{front.key}"\n'
        f'client_ca = "{ca.ca}"\nclient_certificate = "required"'
    )


def audited(gateway, event: str) -> set[str]:
    """The addresses in the audit rows of one kind."""
    with contextlib.closing(sqlite3.connect(f"file:{gateway.folder}/gateway.db?mode=ro", uri=True)) as database:
        return {row[0] for row in database.execute("select address from audit where event = ?", (event,))}


# ── behind a load balancer ──


@pytest.mark.req("TW-12")
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_behind_haproxy_the_clients_own_address_is_in_log_session_and_audit(floor, tmp_path, exchange, ca, tls):
    listener = 'proxy_protocol_from = ["127.0.0.1/32"]\n' + (mutual(ca.issue("front"), ca) if tls else "plain = true")
    own = ca.issue("client")
    gateway = await floor.gateway(config(exchange.port, listener=listener))
    person = await add_user(gateway, "trader", "ALGO")
    context = speaking(ca, own) if tls else None
    async with haproxy(tmp_path, gateway.port) as port, Client(port, person, local="127.0.0.7", tls=context) as client:
        assert await client.log_in(person.wrong_code()) == "5"
        assert await client.log_in() == "A"
        await client.trade("through-both")

        (session,) = await live(gateway)
        assert session["address"] == "127.0.0.7"
        assert session["certificate"] == (own.fingerprint if tls else "")
        assert {line["address"] for line in await gateway.logins(2)} == {"127.0.0.7"}
        await gateway.until(event="session_started", address="127.0.0.7", port=session["port"])
        await client.logout()
    await gateway.until(event="session_ended", address="127.0.0.7")
    assert audited(gateway, "login.admitted") == audited(gateway, "login.refused") == {"127.0.0.7"}
    await audit_is_whole(gateway)


@pytest.mark.req("SF-8", "TW-12")
async def test_behind_haproxy_one_address_is_blocked_and_the_others_are_not(floor, tmp_path, exchange):
    policy = "lockout.address_budget = 2\nlockout.threshold = 5"
    gateway = await floor.gateway(config(exchange.port, listener=BALANCED, policy=policy))
    person = await add_user(gateway, "trader", "ALGO")
    async with (
        haproxy(tmp_path, gateway.port) as port,
        Client(port, person, "ALIEN", local="127.0.0.8") as guesser,
        Client(port, person, local="127.0.0.9") as honest,
    ):
        for _ in range(3):
            assert await guesser.log_in() == ""
        await gateway.until(event="login", reason="address_blocked", address="127.0.0.8")

        assert await honest.log_in() == "A"


@pytest.mark.req("TW-12", "TW-4")
async def test_who_comes_without_the_balancer_is_closed_unheard(floor, exchange):
    gateway = await floor.gateway(config(exchange.port, listener=BALANCED))
    person = await add_user(gateway, "trader", "ALGO")
    async with Client(gateway.port, person) as near, Client(gateway.port, person, local="127.0.0.9") as far:
        for client in (near, far):
            with contextlib.suppress(ConnectionError):  # so soon that it may come before the connection was made
                assert await client.log_in() == ""

    for address in ("127.0.0.1", "127.0.0.9"):
        await gateway.until(event="contact_refused", reason="bad_proxy_header", address=address)
    assert not exchange.connections


# ── certificates of clients ──


@pytest.mark.req("TW-12", "M7-13")
async def test_a_bound_certificate_is_admitted_and_any_other_is_not(floor, exchange, ca):
    own, anothers = ca.issue("own"), ca.issue("anothers")
    gateway = await floor.gateway(config(exchange.port, listener=mutual(ca.issue("front"), ca)))
    person = await add_user(gateway, "trader", "ALGO", options=("--certificate", own.fingerprint))
    async with (
        Client(gateway.port, person, tls=speaking(ca, anothers)) as stranger,
        Client(gateway.port, person, tls=speaking(ca, own)) as client,
    ):
        assert await stranger.log_in() == ""
        await gateway.until(event="login", reason="not_bound", certificate=anothers.fingerprint)
        assert not exchange.connections

        assert await client.log_in() == "A"

        (session,) = await live(gateway)
        assert session["certificate"] == own.fingerprint


@pytest.mark.req("M7-13", "TW-4", "SF-17")
async def test_without_a_certificate_of_our_authority_nobody_gets_as_far_as_a_login(floor, exchange, ca, tmp_path):
    (tmp_path / "else").mkdir()
    elsewhere = Authority(tmp_path / "else").issue("own")
    gateway = await floor.gateway(config(exchange.port, listener=mutual(ca.issue("front"), ca)))
    person = await add_user(gateway, "trader", "ALGO")
    old = speaking(ca, ca.issue("own"))
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    old.set_ciphers("AES128-SHA:AES256-SHA")  # no forward secrecy
    for context in (speaking(ca), speaking(ca, elsewhere), old):
        client = Client(gateway.port, person, tls=context)
        try:
            assert await client.log_in() == ""
        except OSError:  # TLS errors are OSErrors: the handshake says it at once, or the first read does
            continue
    await eventually(lambda: len(gateway.seen(event="contact_refused", reason="tls_failed")) == 3, "three refusals")
    assert not gateway.seen(event="login")


# ── the engine's leg ──


def engine_leg(ca: Authority, name: str = "") -> str:
    server_name = f'\nserver_name = "{name}"' if name else ""
    return f'[route.tls]\nca = "{ca.ca}"{server_name}'


@pytest.mark.req("SF-16")
async def test_the_engine_is_spoken_to_in_tls(floor, ca):
    async with Exchange(answering(ca.issue("engine"))) as exchange:
        gateway = await floor.gateway(config(exchange.port, route=engine_leg(ca)))
        person = await add_user(gateway, "trader", "ALGO")
        async with Client(gateway.port, person) as client:
            assert await client.log_in() == "A"
            await client.trade("encrypted")


@pytest.mark.req("SF-16", "M7-9")
@pytest.mark.parametrize("wrong", ["authority", "name"])
async def test_an_engine_that_is_not_the_right_one_gets_no_byte_and_the_code_is_not_used_up(floor, ca, tmp_path, wrong):
    (tmp_path / "else").mkdir()
    other = Authority(tmp_path / "else")
    leg = engine_leg(other) if wrong == "authority" else engine_leg(ca, "engine.example")
    async with Exchange(answering(ca.issue("engine"))) as exchange:
        text = config(exchange.port, route=leg, policy='totp.reuse = "never"')
        gateway = await floor.gateway(text)
        person = await add_user(gateway, "trader", "ALGO")
        code = person.code()
        async with Client(gateway.port, person) as client:
            assert await client.log_in(code) == "5"
            assert "not reachable" in client.text
            await gateway.until(event="dial_failed", route="exchange")
            await gateway.until(event="session_ended", reason="upstream_unreachable")
            assert exchange.logons == []

            gateway.configure(text.replace(leg, engine_leg(ca)))
            await gateway.restart()

            assert await client.log_in(code) == "A"
            assert client.session.faults == []


@pytest.mark.req("TW-4", "SF-17")
@pytest.mark.parametrize("workers", ["1", "2"])
async def test_a_hangup_signal_brings_new_certificates_and_disturbs_nobody(floor, exchange, ca, workers):
    front, newer = ca.issue("front"), ca.issue("newer")
    tls = f'[listener.tls]\ncertificate = "{front.certificate}"\nprivate_key = "{front.key}"'
    gateway = await floor.gateway(config(exchange.port, listener=tls), "--workers", workers)
    person = await add_user(gateway, "trader", "ALGO", "ALGO2")
    async with Client(gateway.port, person, tls=speaking(ca)) as client:
        assert await client.log_in() == "A"
        before = client.certificate
        shutil.copy(newer.certificate, front.certificate)
        shutil.copy(newer.key, front.key)

        tell(gateway, signal.SIGHUP)

        await eventually(lambda: len(gateway.seen(event="reloaded")) == int(workers), "the reload")
        async with Client(gateway.port, person, "ALGO2", tls=speaking(ca)) as late:
            assert await late.log_in() == "A"
            assert late.certificate != before
        await client.trade("undisturbed")


@pytest.mark.req("TW-4")
async def test_a_hangup_signal_with_a_broken_certificate_is_said_and_the_old_one_stays(floor, exchange, ca):
    front = ca.issue("front")
    tls = f'[listener.tls]\ncertificate = "{front.certificate}"\nprivate_key = "{front.key}"'
    gateway = await floor.gateway(config(exchange.port, listener=tls))
    person = await add_user(gateway, "trader", "ALGO")
    front.certificate.write_text("half written")

    tell(gateway, signal.SIGHUP)

    failed = await gateway.until(event="reload_failed")
    assert str(front.certificate) in failed["detail"]
    async with Client(gateway.port, person, tls=speaking(ca)) as client:
        assert await client.log_in() == "A"
    assert (await command(gateway.folder, "serve")).code != 0
