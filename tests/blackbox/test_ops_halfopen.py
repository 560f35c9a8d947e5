"""A peer that vanishes without FIN (M7-12): both legs of a live session carry the options that notice it in time."""

import asyncio
import json
import socket
import sys

import pytest

from tests.blackbox.gateway_process import ROOT
from tests.blackbox.net_certificates import Authority
from tests.blackbox.net_rig import engine, gateway

TCP = socket.IPPROTO_TCP


def noticed_within(sock) -> tuple[int, float]:
    """The seconds after which a vanished peer is noticed: with nothing to send, and with something unacknowledged."""
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    probes = sock.getsockopt(TCP, socket.TCP_KEEPINTVL) * sock.getsockopt(TCP, socket.TCP_KEEPCNT)
    return sock.getsockopt(TCP, socket.TCP_KEEPIDLE) + probes, sock.getsockopt(TCP, socket.TCP_USER_TIMEOUT) / 1000


@pytest.mark.req("M7-12")
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_a_vanished_peer_is_noticed_within_40_s_on_both_legs(tmp_path, tls):
    from gateway.net.spec import TlsSpec
    from tests.blackbox.test_net_pipe import client_tls

    ca = Authority(tmp_path)
    front = ca.issue("front")
    keys = {"tls": TlsSpec(front.certificate, front.key)} if tls else {}
    speaks = {"ssl": client_tls(ca), "server_hostname": "localhost"} if tls else {}
    async with engine() as there, gateway(there.address, **keys) as here:
        await here.login(**speaks)
        (connection,) = here.server.services.table

        for leg in (connection._client, connection._upstream):
            idle, unacknowledged = noticed_within(leg.transport.get_extra_info("socket"))
            assert 0 < idle <= 40
            assert 0 < unacknowledged <= 40


@pytest.mark.deep
@pytest.mark.req("M7-12")
@pytest.mark.parametrize("what", ["silent", "sending"])
async def test_a_client_that_falls_off_the_network_is_logged_out(tmp_path, what):
    """It takes what the kernel's timers take, about half a minute; Linux only, with user and network namespaces."""
    process = await asyncio.create_subprocess_exec(
        *("unshare", "-rn", sys.executable, "-m", "tests.blackbox.ops_vanish", str(tmp_path), what),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()

    assert process.returncode == 0, err.decode()
    ended = json.loads(out)
    assert ended["reason"] == "client_lost"
    assert ended["seconds"] <= 40
