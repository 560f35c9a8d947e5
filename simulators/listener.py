"""Narrows a QuickFIX acceptor to one address, and breaks a QuickFIX connection the way a network does.

QuickFIX's acceptors bind every interface and have no setting for it (`socket_createAcceptor`, INADDR_ANY).
So the acceptor is given a throw-away port, and its listening descriptor is then exchanged for a socket that
is bound where we want it. It must not be used on sockets of anything but the engine in this process.
"""

import os
import resource
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_BACKLOG = 128
_HIGHEST_DESCRIPTOR = 4096  # a simulator holds a few dozen


def listen_on(host: str, port: int) -> socket.socket:
    """Return a non-blocking listener; port 0 takes any free one. OSError if the address is taken."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    listener.listen(_BACKLOG)
    listener.setblocking(False)
    return listener


@contextmanager
def reserved_port() -> Iterator[int]:
    """Hold a free port of every interface for the engine, which may listen on it meanwhile; nobody else is given it.

    Linux lets two sockets share a port when both have SO_REUSEADDR and only one listens; QuickFIX sets it (SocketReuseAddress).
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("", 0))
        yield int(holder.getsockname()[1])


def exchange_listener(engine_port: int, listener: socket.socket) -> None:
    """Put `listener` in the place of the engine's own socket on `engine_port`; `listener` is closed afterwards.

    The engine may sit in poll() on the old socket, which keeps it alive; one connection to it ends that wait at
    once and finds nothing to accept on the new socket. RuntimeError if the engine doesn't listen there.
    """
    for descriptor, found in _tcp_sockets():
        if found.getsockname()[1] == engine_port and _is_listening(found):
            os.dup2(listener.fileno(), descriptor)
            listener.close()
            break
    else:
        raise RuntimeError(f"no listening socket on port {engine_port} in this process")
    with suppress(OSError):  # refused: nobody was waiting on the old socket, it is gone already
        socket.create_connection(("127.0.0.1", engine_port), timeout=5).close()


def cut_connections(port: int) -> int:
    """Break every established connection from or to `port`; returns how many. The engine sees its line drop."""
    cut = 0
    for _, found in _tcp_sockets():
        with suppress(OSError):  # a listener, or a connection that went away by itself
            if port in (found.getpeername()[1], found.getsockname()[1]):
                found.shutdown(socket.SHUT_RDWR)
                cut += 1
    return cut


def _is_listening(found: socket.socket) -> bool:
    return bool(found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def _tcp_sockets() -> Iterator[tuple[int, socket.socket]]:
    """Yield every IPv4 stream socket of this process: its descriptor, and a duplicate to look at."""
    for descriptor in range(3, min(resource.getrlimit(resource.RLIMIT_NOFILE)[0], _HIGHEST_DESCRIPTOR)):
        with suppress(OSError):  # not open, or closed between the two looks
            if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                continue
            with socket.socket(fileno=os.dup(descriptor)) as duplicate:
                if duplicate.family == socket.AF_INET and duplicate.type == socket.SOCK_STREAM:
                    yield descriptor, duplicate
