"""Events at a real RabbitMQ: confirmed, persistent, by their names; and what happens where nobody takes them."""

import asyncio
import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aio_pika
import pytest

from gateway.core.secret import Secret
from gateway.notify.broker import Broker
from gateway.notify.channel import Away, Declined, Message
from gateway.notify.spec import BrokerSpec
from simulators.m7_node import Broker as Node
from tests.blackbox.floor import Floor
from tests.blackbox.ports import free_port

NOW = 1_800_000_000.25
EXCHANGE = "gateway.events"
LOGIN = Message("f" * 32, "login.admitted", "", NOW, {"user": "tom", "address": "192.0.2.7"})


@contextmanager
def house(broker: Node) -> Iterator[str]:
    """The AMQP URL of a vhost of the test's own."""
    name = f"events-{uuid.uuid4().hex[:12]}"
    broker.api().call("PUT", f"vhosts/{name}", {})
    broker.api().call("PUT", f"permissions/{name}/{broker.admin}", {"configure": ".*", "write": ".*", "read": ".*"})
    try:
        yield f"amqp://{broker.admin}:{broker.password}@127.0.0.1:{broker.amqp}/{name}"
    finally:
        broker.api().remove_vhost(name)


async def test_an_event_is_routed_by_its_name_persistent_and_with_its_id(broker: Node):
    with house(broker) as url:
        way = Broker(BrokerSpec(Secret(url), EXCHANGE))
        reader = await aio_pika.connect(url)
        async with reader:
            channel = await reader.channel()
            exchange = await channel.declare_exchange(EXCHANGE, aio_pika.ExchangeType.TOPIC, durable=True)
            queue = await channel.declare_queue("siem", durable=True)
            await queue.bind(exchange, "login.*")
            await way.send(LOGIN)
            came = await queue.get(timeout=30)
            await came.ack()
        await way.close()

    assert (came.routing_key, came.message_id, came.type) == ("login.admitted", "f" * 32, "login.admitted")
    assert came.delivery_mode is aio_pika.DeliveryMode.PERSISTENT
    assert json.loads(came.body) == {
        "id": "f" * 32, "event": "login.admitted", "time": "2027-01-15T08:00:00.250Z", "user": "tom",
        "address": "192.0.2.7",
    }  # fmt: skip


async def test_an_event_that_no_queue_takes_is_declined_and_the_connection_goes_on(broker: Node):
    with house(broker) as url:
        way = Broker(BrokerSpec(Secret(url), EXCHANGE))
        for _ in range(2):
            with pytest.raises(Declined, match="no queue"):
                await way.send(LOGIN)
        reader = await aio_pika.connect(url)
        async with reader:
            channel = await reader.channel()
            queue = await channel.declare_queue("late")
            await queue.bind(EXCHANGE, "#")
            await asyncio.gather(*(way.send(LOGIN) for _ in range(8)))
            assert (await channel.declare_queue("late", passive=True)).declaration_result.message_count == 8
        await way.close()


async def test_a_broken_connection_is_made_again(broker: Node):
    with house(broker) as url:
        name = url.rpartition("/")[2]
        way = Broker(BrokerSpec(Secret(url), EXCHANGE))
        with pytest.raises(Declined):
            await way.send(LOGIN)
        async with asyncio.timeout(60):
            while not (open_now := await asyncio.to_thread(broker.api().connections, name)):  # noqa: ASYNC110  a bounded poll
                await asyncio.sleep(0.1)
        for one in open_now:
            await asyncio.to_thread(broker.api().close_connection, one, "maintenance")
        seen = set()
        async with asyncio.timeout(60):
            while Declined not in seen:
                try:
                    await way.send(LOGIN)
                except (Away, Declined) as error:
                    seen.add(type(error))
                await asyncio.sleep(0.05)
        await way.close()

    assert Declined in seen


CONFIG = """
[store]
url = "sqlite:///{folder}/gateway.db"
[argon2]
time_cost = 1
memory_cost = 8192
[[listener]]
name = "in"
address = "127.0.0.1:{port}"
plain = true
[[route]]
name = "out"
upstream = ["127.0.0.1:9"]
plain = true
[log]
level = "debug"
[admin]
address = "{admin}"
[notify.broker]
"""


async def test_gateway_serve_publishes_what_happens_and_says_no_password(floor: Floor, broker: Node, tmp_path: Path):
    with house(broker) as url:
        (tmp_path / "url").write_text(url)
        reader = await aio_pika.connect(url)
        async with reader:
            channel = await reader.channel()
            exchange = await channel.declare_exchange(EXCHANGE, aio_pika.ExchangeType.TOPIC, durable=True)
            queue = await channel.declare_queue("siem", durable=True)
            await queue.bind(exchange, "account.*")
            await queue.bind(exchange, "password.set")
            gateway = await floor.gateway(f'{CONFIG}url_file = "{tmp_path / "url"}"\n')
            added = ("--email", "tom@example.com", "--password-stdin")
            await gateway.run("user", "add", "tom", *added, stdin="correct-Horse-7-battery\n")
            await gateway.run("user", "unlock", "tom", "--proof", "called back")
            await gateway.run("user", "passwd", "tom", "--password-stdin", stdin="another-Horse-7-battery\n")
            async with asyncio.timeout(60):
                async with queue.iterator(no_ack=True) as events:
                    came = [json.loads((await anext(events)).body) for _ in range(2)]
        await gateway.terminate()

    assert [(one["event"], one["user"]) for one in came] == [("account.unlocked", "tom"), ("password.set", "tom")]
    assert broker.password not in json.dumps(gateway.lines) + "".join(gateway.stderr)


async def test_a_broker_that_is_not_there_is_away_and_its_password_unsaid():
    way = Broker(BrokerSpec(Secret(f"amqp://gateway:canary@127.0.0.1:{free_port()}/"), EXCHANGE))

    with pytest.raises(Away) as away:
        await way.send(LOGIN)

    assert "canary" not in repr(away.value)


async def test_a_broker_without_the_vhost_is_away(broker: Node):
    url = f"amqp://{broker.admin}:{broker.password}@127.0.0.1:{broker.amqp}/no-such-vhost"

    with pytest.raises(Away):
        await Broker(BrokerSpec(Secret(url), EXCHANGE)).send(LOGIN)
