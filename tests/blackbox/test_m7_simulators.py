"""The M7 simulators by themselves: exchange and API application on a private RabbitMQ, with nothing between them."""

from tests.blackbox.broker import Vhost


async def test_a_vhost_is_laid_out_for_its_clients(vhost: Vhost) -> None:
    await vhost.welcome("trader", "somebody-else")

    assert await vhost.waiting() == 0
    names = {exchange["name"] for exchange in await vhost.get("exchanges")}
    assert {"m7.requestExchange.trader", "m7.requestExchange.somebody-else"} <= names
