"""Before a login: limits, PROXY headers, TLS that fails, and engines that are not there."""

import asyncio
import socket
import struct
from ipaddress import ip_network

import pytest

from gateway.core.authority import Report
from gateway.core.reason import Reason, public_text
from gateway.core.session import Limits
from gateway.net.proxy_protocol import SIGNATURE
from gateway.net.spec import CrowdLimits, ListenerSpec, StartError, TlsSpec
from tests.blackbox.net_certificates import Authority
from tests.blackbox.net_rig import GOOD, engine, gateway, until
from tests.blackbox.test_net_pipe import client_tls
from tests.toy import Toy

HERE = (ip_network("127.0.0.0/8"),)
ELSEWHERE = (ip_network("192.0.2.0/24"),)


def header(address: str, port: int = 4711, command: int = 0x21, tail: bytes = b"") -> bytes:
    body = socket.inet_aton(address) + socket.inet_aton("127.0.0.1") + struct.pack("!HH", port, 1) + tail
    return SIGNATURE + struct.pack("!BBH", command, 0x11, len(body)) + body


async def closed(reader: asyncio.StreamReader) -> bool:
    try:
        return await asyncio.wait_for(reader.read(), 10) == b""
    except ConnectionError:
        return True


async def turned_away(here, start: bytes = b"") -> bool:
    try:
        reader, writer = await here.connect()
        writer.write(start)
    except ConnectionError:
        return True
    return await closed(reader)


@pytest.mark.parametrize(
    "limits",
    [
        CrowdLimits(connections=2),
        CrowdLimits(per_address=2),
        CrowdLimits(pending=2),
        CrowdLimits(pending_per_address=2),
    ],
)
async def test_one_connection_too_many_is_closed_and_its_place_is_free_again_later(limits):
    async with engine() as there, gateway(there.address, crowd=limits) as here:
        _, first = await here.connect()
        await here.connect()
        assert await turned_away(here)
        await until(lambda: here.judge.reasons() == [Reason.TOO_MANY_CONNECTIONS])

        first.transport.abort()
        await until(lambda: here.connections == 1)

        await here.login()


async def test_who_has_logged_in_is_no_longer_pending():
    async with engine() as there, gateway(there.address, crowd=CrowdLimits(pending=1)) as here:
        for _ in range(4):
            await here.login()


async def test_the_proxy_header_names_the_client_and_not_a_byte_of_the_login_is_taken_with_it():
    async with engine() as there, gateway(there.address, proxies=HERE) as here:
        reader, writer = await here.connect()
        for byte in header("203.0.113.9", tail=b"\x04\x00\x01x") + GOOD:
            writer.write(bytes([byte]))
            await writer.drain()

        assert await reader.readline() == b"OK\n"
        origin = here.judge.attempts[0].origin
        assert (origin.address, origin.port) == ("203.0.113.9", 4711)


async def test_tls_works_behind_the_proxy_header(tmp_path):
    ca = Authority(tmp_path)
    front = ca.issue("front")
    tls = TlsSpec(front.certificate, front.key)
    async with engine() as there, gateway(there.address, proxies=HERE, tls=tls) as here:
        sock = socket.create_connection(("127.0.0.1", here.port))
        sock.sendall(header("203.0.113.9"))
        reader, writer = await asyncio.open_connection(sock=sock, ssl=client_tls(ca), server_hostname="localhost")
        here.writers.append(writer)
        writer.write(GOOD)

        assert await reader.readline() == b"OK\n"
        assert here.judge.attempts[0].origin.address == "203.0.113.9"


async def test_limits_hold_for_the_address_in_the_header():
    async with engine() as there, gateway(there.address, proxies=HERE, crowd=CrowdLimits(per_address=1)) as here:
        for address in ("203.0.113.1", "203.0.113.2"):
            await here.login(header(address) + GOOD)
        reader, writer = await here.connect()
        writer.write(header("203.0.113.1") + GOOD)

        assert await closed(reader)
        await until(lambda: here.judge.reasons() == [Reason.TOO_MANY_CONNECTIONS])


@pytest.mark.parametrize(
    ("networks", "start"),
    [
        (ELSEWHERE, header("203.0.113.9") + GOOD),
        (HERE, GOOD),
        (HERE, b"PROXY TCP4 203.0.113.9 127.0.0.1 4711 1\r\n" + GOOD),
        (HERE, header("203.0.113.9", command=0x22) + GOOD),
        (HERE, header("203.0.113.9")[:20]),
        (HERE, header("203.0.113.9", tail=bytes(60_000)) + GOOD),
    ],
    ids=["not trusted", "missing", "version 1", "unknown command", "cut short", "too long"],
)
async def test_a_header_that_is_not_trusted_missing_or_wrong_closes_the_connection(networks, start):
    async with engine() as there, gateway(there.address, proxies=networks, handshake=0.5) as here:
        assert await turned_away(here, start)
        await until(lambda: here.judge.reasons() == [Reason.BAD_PROXY_HEADER])
        assert not there.writers


async def test_who_never_starts_tls_is_closed_and_takes_no_place(tmp_path):
    front = Authority(tmp_path).issue("front")
    tls = TlsSpec(front.certificate, front.key)
    async with engine() as there, gateway(there.address, tls=tls, handshake=0.3) as here:
        silent, _ = await here.connect()
        plain, writer = await here.connect()
        writer.write(GOOD)

        assert await closed(silent)
        await asyncio.wait_for(plain.read(), 10)
        await until(lambda: here.judge.reasons() == [Reason.TLS_FAILED] * 2)
        assert here.server.listeners[0]._crowd.total == 0


async def test_an_engine_that_is_down_is_passed_over_and_then_tried_last():
    with socket.create_server(("127.0.0.1", 0)) as unused:
        down = f"127.0.0.1:{unused.getsockname()[1]}"
    async with engine() as there, gateway(down, there.address) as here:
        await here.login()
        assert list(here.server.services.upstreams["engine"]._in_order(asyncio.get_running_loop().time())) == [
            there.address,
            down,
        ]


async def test_with_every_engine_down_the_client_is_told():
    with socket.create_server(("127.0.0.1", 0)) as unused:
        down = f"127.0.0.1:{unused.getsockname()[1]}"
    async with gateway(down) as here:
        reader, writer = await here.connect()
        writer.write(GOOD)

        assert await reader.read() == f"NO {public_text(Reason.UPSTREAM_UNREACHABLE)}\n".encode()
        await until(lambda: here.judge.reasons() == [Reason.UPSTREAM_UNREACHABLE])


async def test_an_engine_that_closes_during_the_login_closes_the_client():
    async with engine(answer=b"") as there, gateway(there.address) as here:
        reader, writer = await here.connect()
        writer.write(GOOD)
        await until(lambda: there.got)
        there.writers[0].close()

        assert await closed(reader)
        await until(lambda: here.judge.reasons() == [Reason.UPSTREAM_CLOSED])


async def test_an_engine_that_never_answers_is_given_up():
    async with engine(answer=b"") as there, gateway(there.address, limits=Limits(answer=0.5)) as here:
        reader, writer = await here.connect()
        writer.write(GOOD)

        assert await closed(reader)
        await until(lambda: here.judge.reasons() == [Reason.UPSTREAM_SILENT])


@pytest.mark.req("TW-4")
async def test_a_listener_without_tls_must_be_asked_for_by_name():
    with pytest.raises(StartError, match="plain = true"):
        async with gateway("127.0.0.1:1", plain=False):
            pass


async def test_a_port_that_is_taken_is_one_clear_line():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        spec = ListenerSpec("front", "127.0.0.1", port, lambda _origin: Toy(), (), plain=True)
        async with gateway("127.0.0.1:1") as here:
            lane = here.server.listeners[0]._lane
            from gateway.net.listener import Listener

            with pytest.raises(
                StartError, match=rf"listener front: can't listen on 127.0.0.1:{port}: Address already in use"
            ):
                Listener(spec, lane).start()


async def test_contacts_without_a_login_are_reported_with_their_address():
    async with engine() as there, gateway(there.address) as here:
        reader, writer = await here.connect()
        writer.write(b"\n")
        assert await closed(reader)
        await until(lambda: here.judge.of(Report))
        assert here.judge.of(Report)[0].origin.port == writer.get_extra_info("sockname")[1]
