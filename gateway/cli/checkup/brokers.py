"""The gateway's own accounts at the brokers: may they log in, and speak for the users? One empty message goes nowhere."""

import asyncio
from collections.abc import Iterator

from gateway.cli.checkup.finding import Finding, failed, ok
from gateway.courier.line import Line
from gateway.courier.spec import CourierSpec
from gateway.net.spec import StartError
from gateway.observe.journal import Journal
from gateway.protocols.amqp.parcel import Parcel
from gateway.settings.model import Settings
from gateway.wiring import couriers

_PROBE = Parcel("", "gateway.doctor", b"", user_id="gateway.doctor", mandatory=False)
"""Unroutable, and in another user's name: RabbitMQ takes it from an impersonator only."""

_CREDENTIALS = "is refused", "check route.service: user and password"
_PLACE = "may not connect", "check route.service.vhost, and the account's permissions there"
_REFUSALS = {
    "ChannelPreconditionFailed": ("is no impersonator", "rabbitmqctl set_user_tags USER impersonator"),
    "ChannelAccessRefused": ("may not write to the default exchange", "let its write permission match amq.default"),
    "ConnectionNotAllowed": _PLACE,
    "InvalidFrameError": _PLACE,  # aiormq's name for a close where it expected OpenOk
    "AuthenticationError": _CREDENTIALS,
    "ProbableAuthenticationError": _CREDENTIALS,
}
"""aiormq's names of RabbitMQ's refusals."""


def accounts(settings: Settings) -> Iterator[Finding]:
    """Log in with every route's service account and publish one message that has no receiver."""
    for spec in couriers(settings):
        yield asyncio.run(_account(spec))


async def _account(spec: CourierSpec) -> Finding:
    name, who = f"route {spec.route}", f"account {spec.user} on {spec.vhost}"
    try:
        await _publish(spec)
    except StartError as error:
        return failed(name, str(error), "mend the files that route.tls names")
    except Exception as error:  # noqa: BLE001 - the libraries' errors have no common base, and their texts may hold the account
        kind = type(error).__name__
        found, mend = _REFUSALS.get(
            kind, (f"cannot be tried: {kind}", "see that a broker answers AMQP at route.upstream")
        )
        return failed(name, f"{who} {found}", mend)
    return ok(name, f"{who} may speak for the users")


async def _publish(spec: CourierSpec) -> None:
    line = Line(spec, _Quiet())
    try:
        await line.publish(_PROBE)
    finally:
        await line.close()


class _Quiet(Journal):
    """The finding says it all."""

    def courier_connected(self, route: str, address: str) -> None:
        """Say nothing."""

    def courier_failed(self, route: str, address: str, error: BaseException) -> None:
        """Say nothing."""
