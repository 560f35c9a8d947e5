"""What the courier needs to know, as plain values. Settings are turned into these in `gateway.wiring`, nowhere else."""

from dataclasses import dataclass

from gateway.core.secret import Secret
from gateway.net.spec import UpstreamTlsSpec


@dataclass(frozen=True, slots=True)
class CourierSpec:
    """The service account of a route: tagged `impersonator` in RabbitMQ, so that it may set another user's user_id.

    `addresses` are "host:port", tried in order; `connect` seconds per address, TLS and AMQP's handshake included.
    """

    route: str
    addresses: tuple[str, ...]
    vhost: str
    user: str
    password: Secret
    tls: UpstreamTlsSpec | None = None
    connect: float = 5.0
