"""What a listener finds out before it starts; what it does then is in tests/blackbox/test_net_door.py."""

import socket

import pytest

from gateway.net.listener import rehearse
from gateway.net.spec import ListenerSpec, StartError, TlsSpec
from tests.toy import Toy


def spec(port: int = 0, **keys) -> ListenerSpec:
    return ListenerSpec("front", "127.0.0.1", port, lambda _origin: Toy(), (), **({"plain": "tls" not in keys} | keys))


def test_a_rehearsal_leaves_the_port_free():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

    rehearse(spec(port))
    rehearse(spec(port))


def test_a_port_that_others_share_is_taken_for_one_that_is_alone():
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        rehearse(spec(port, reuse_port=True))

        with pytest.raises(StartError, match="Address already in use; free the port"):
            rehearse(spec(port))


@pytest.mark.req("TW-4")
def test_tls_that_could_not_start_is_found(tmp_path):
    with pytest.raises(StartError, match="can't use certificate"):
        rehearse(spec(tls=TlsSpec(tmp_path / "none.pem", tmp_path / "none.key")))
    with pytest.raises(StartError, match="plain = true"):
        rehearse(spec(plain=False))
