"""The listener that takes the place of an engine's own, and the cut line."""

import socket

import pytest

from simulators.listener import cut_connections, exchange_listener, listen_on, reserved_port


def test_connections_arrive_at_the_engines_descriptor_by_the_new_address() -> None:
    with reserved_port() as port, socket.create_server(("", port)) as engine:
        listener = listen_on("127.0.0.1", 0)
        wanted = listener.getsockname()

        exchange_listener(port, listener)

        with socket.create_connection(wanted, timeout=5):
            assert engine.getsockname() == wanted
            accepted, _ = engine.accept()
            accepted.close()


def test_the_engines_old_port_is_closed() -> None:
    with reserved_port() as port, socket.create_server(("", port)):
        exchange_listener(port, listen_on("127.0.0.1", 0))

        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=5)


def test_an_engine_that_does_not_listen_is_an_error() -> None:
    with (
        reserved_port() as port,
        listen_on("127.0.0.1", 0) as listener,
        pytest.raises(RuntimeError, match="no listening socket"),
    ):
        exchange_listener(port, listener)


def test_nobody_else_is_given_a_reserved_port() -> None:
    with reserved_port() as port, socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("", port))


def test_a_taken_port_is_an_error() -> None:
    with listen_on("127.0.0.1", 0) as taken, pytest.raises(OSError, match="in use"):
        listen_on("127.0.0.1", taken.getsockname()[1])


def test_cutting_breaks_the_connections_of_one_port_only() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_server(("127.0.0.1", 0)) as other,
        socket.create_connection(server.getsockname()) as cut,
        socket.create_connection(other.getsockname()) as kept,
    ):
        kept.setblocking(False)

        assert cut_connections(server.getsockname()[1]) == 1

        assert cut.recv(1) == b""
        with pytest.raises(BlockingIOError):
            kept.recv(1)
