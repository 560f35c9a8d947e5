import socket

import pytest

from gateway.net.sockets import tune

NOTICED_WITHIN = 40
"""M7-12: a peer that vanished without a word is noticed within so many seconds."""
TCP = socket.IPPROTO_TCP


@pytest.mark.req("M7-12")
def test_a_silent_peer_is_noticed_in_time_whether_or_not_there_is_something_to_send():
    with socket.socket() as sock:
        tune(sock)

        idle = sock.getsockopt(TCP, socket.TCP_KEEPIDLE)
        probes = sock.getsockopt(TCP, socket.TCP_KEEPINTVL) * sock.getsockopt(TCP, socket.TCP_KEEPCNT)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert 0 < idle + probes <= NOTICED_WITHIN
        assert 0 < sock.getsockopt(TCP, socket.TCP_USER_TIMEOUT) <= NOTICED_WITHIN * 1000
        assert sock.getsockopt(TCP, socket.TCP_NODELAY) == 1
