"""Ways round the gateway, each tried on a RabbitMQ that runs with deploy/rabbitmq's own files: first those the broker shuts.

What only the gateway can shut is tried through a gateway, in the second half.
"""

import contextlib
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pika
import pytest
from pika.exceptions import AMQPConnectionError, ChannelClosedByBroker, ProbableAuthenticationError

from simulators.m7_certificates import CertificateAuthority
from simulators.m7_management import Management, ManagementError
from simulators.m7_node import Broker
from tests.blackbox import amqp_bytes as amqp
from tests.blackbox import amqp_m7 as m7
from tests.blackbox.amqp_floor import Market
from tests.blackbox.broker import BACKEND, REQUESTS, SERVICE, Vhost
from tests.blackbox.m7_peers import LIBRARIES, client_of
from tests.blackbox.people import PASSWORD

EXCHANGE, OTHERS = "m7.requestExchange.trader", "m7.requestExchange.other"
QUEUE, OTHERS_QUEUE = "m7.private.responseQueue.trader.1", "m7.private.responseQueue.other.1"
INQUIRY, ORDERS = "m7.request.inquiry", "m7.request.management"
ACCESS_REFUSED, PRECONDITION_FAILED = 403, 406

pytestmark = pytest.mark.req("M7-10")


@contextlib.contextmanager
def channel_of(vhost: Vhost, user: str) -> Iterator[Any]:
    """A channel straight to the broker, as somebody who got round the gateway would have it."""
    with pika.BlockingConnection(pika.URLParameters(vhost.url(user))) as connection:
        yield connection.channel()


def refusal(vhost: Vhost, user: str, attempt: Callable[[Any], object]) -> int:
    """Return the code with which the broker closes the channel after that attempt."""
    with channel_of(vhost, user) as channel:
        channel.confirm_delivery()
        with pytest.raises(ChannelClosedByBroker) as closed:
            attempt(channel)
        return int(closed.value.reply_code)


# ── reaching the broker at all ──


def tls(broker: Broker, certificate: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=broker.ca)
    if certificate is not None:
        context.load_cert_chain(certificate, key)
    return context


def come_in(vhost: Vhost, context: ssl.SSLContext, credentials: Any) -> Any:
    """Connect to the broker's inner listener."""
    options = pika.SSLOptions(context, "localhost")
    broker = vhost.broker
    return pika.BlockingConnection(
        pika.ConnectionParameters("127.0.0.1", broker.amqps, vhost.name, credentials, ssl_options=options)
    )


def test_the_gateways_certificate_and_a_clients_password_come_in(vhost: Vhost) -> None:
    context = tls(vhost.broker, vhost.broker.gateway_certificate, vhost.broker.gateway_key)

    with come_in(vhost, context, pika.PlainCredentials("trader", PASSWORD)) as connection:
        assert connection.channel().queue_declare(QUEUE, exclusive=True).method.queue == QUEUE


@pytest.mark.req("M7-13")
def test_a_certificate_of_the_gateways_authority_is_its_user(vhost: Vhost, tmp_path: Path) -> None:
    authority = CertificateAuthority.open(Path(vhost.broker.gateway_ca), Path(vhost.broker.gateway_ca_key))
    pair = authority.issue(tmp_path, "trader")

    context = tls(vhost.broker, pair.certificate, pair.key)
    with come_in(vhost, context, pika.credentials.ExternalCredentials()) as connection:
        assert connection.channel().queue_declare(QUEUE, exclusive=True).method.queue == QUEUE


def test_without_the_gateways_certificate_a_right_password_is_worth_nothing(vhost: Vhost) -> None:
    with pytest.raises(AMQPConnectionError):
        come_in(vhost, tls(vhost.broker), pika.PlainCredentials("trader", PASSWORD))


def test_a_certificate_of_another_authority_is_worth_nothing(vhost: Vhost, tmp_path: Path) -> None:
    pair = CertificateAuthority.create(tmp_path, "gateway-ca").issue(tmp_path, "trader")

    with pytest.raises(AMQPConnectionError):
        come_in(vhost, tls(vhost.broker, pair.certificate, pair.key), pika.credentials.ExternalCredentials())


def test_the_transport_certificate_by_itself_is_nobody(vhost: Vhost) -> None:
    context = tls(vhost.broker, vhost.broker.gateway_certificate, vhost.broker.gateway_key)

    with pytest.raises(ProbableAuthenticationError):
        come_in(vhost, context, pika.credentials.ExternalCredentials())


def test_amqplain_is_not_on_offer_and_not_taken(vhost: Vhost) -> None:
    class Amqplain(pika.PlainCredentials):
        TYPE = "AMQPLAIN"

        def response_for(self, start: Any) -> tuple[str, bytes]:
            assert "AMQPLAIN" not in str(start.mechanisms)
            fields = b"\5LOGINS" + len(self.username).to_bytes(4, "big") + self.username.encode()
            fields += b"\x08PASSWORDS" + len(self.password).to_bytes(4, "big") + self.password.encode()
            return "AMQPLAIN", fields

    parameters = pika.URLParameters(vhost.url("trader"))
    pika.credentials.VALID_TYPES.append(Amqplain)
    parameters.credentials = Amqplain("trader", PASSWORD)
    try:
        with pytest.raises(AMQPConnectionError):
            pika.BlockingConnection(parameters)
    finally:
        pika.credentials.VALID_TYPES.remove(Amqplain)


@pytest.mark.parametrize(("user", "password"), [("guest", "guest"), ("trader", ""), ("certified", "")])
def test_nobody_comes_in_without_a_password_of_his_own(vhost: Vhost, user: str, password: str) -> None:
    vhost.broker.api().call("PUT", "users/certified", {"password_hash": "", "tags": ""})

    with pytest.raises((ProbableAuthenticationError, AMQPConnectionError)):
        pika.BlockingConnection(pika.URLParameters(vhost.url(user, password=password)))


def test_a_client_of_another_vhost_comes_into_its_own_only(vhost: Vhost) -> None:
    parameters = pika.URLParameters(vhost.url("trader"))
    parameters.virtual_host = "/"

    with pytest.raises(AMQPConnectionError):
        pika.BlockingConnection(parameters)


def test_no_other_protocol_listens(broker: Broker) -> None:
    listeners = broker.api().call("GET", "overview")["listeners"]

    assert {one["protocol"] for one in listeners} == {"amqp", "amqp/ssl", "http", "clustering"}
    for port in (broker.amqp, broker.amqps, broker.management):
        assert listening(port) == ["0100007F"]  # 127.0.0.1, as the kernel writes it


def listening(port: int) -> list[str]:
    """Return the addresses on which somebody listens at that port."""
    rows = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    return [row[1].split(":")[0] for row in rows if row[3] == "0A" and row[1].endswith(f":{port:04X}")]


def test_a_client_may_not_use_the_management_api(vhost: Vhost) -> None:
    trader = Management(vhost.broker.host, vhost.broker.management, "trader", PASSWORD)

    with pytest.raises(ManagementError, match=": 401 "):
        trader.call("POST", f"exchanges/{vhost.name}/{EXCHANGE}/publish", {"routing_key": INQUIRY, "payload": ""})


# ── what a client could do there ──

FORBIDDEN: dict[str, Callable[[Any], object]] = {
    "publish to another's requests": lambda it: it.basic_publish(OTHERS, INQUIRY, b"x"),
    "publish to any queue": lambda it: it.basic_publish("", REQUESTS, b"x"),
    "publish to a standard exchange": lambda it: it.basic_publish("amq.topic", INQUIRY, b"x"),
    "declare an exchange": lambda it: it.exchange_declare("m7.side", "topic"),
    "declare the own request exchange with an alternate": lambda it: it.exchange_declare(
        f"{EXCHANGE}.2", "direct", arguments={"alternate-exchange": EXCHANGE}
    ),
    "delete the own request exchange": lambda it: it.exchange_delete(EXCHANGE),
    "bind exchanges": lambda it: it.exchange_bind(EXCHANGE, "amq.topic", "#"),
    "bind the own queue to the own requests": lambda it: (
        it.queue_declare(QUEUE, exclusive=True),
        it.queue_bind(QUEUE, EXCHANGE, ORDERS),
    ),
    "bind the own queue to a standard exchange": lambda it: (
        it.queue_declare(QUEUE, exclusive=True),
        it.queue_bind(QUEUE, "amq.topic", "#"),
    ),
    "declare another's queue": lambda it: it.queue_declare(OTHERS_QUEUE, exclusive=True),
    "declare a queue whose name goes on": lambda it: it.queue_declare(f"{QUEUE}.other"),
    "dead letters to another's requests": lambda it: it.queue_declare(
        QUEUE, exclusive=True, arguments={"x-dead-letter-exchange": OTHERS}
    ),
    "dead letters to any queue": lambda it: it.queue_declare(
        QUEUE, exclusive=True, arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": REQUESTS}
    ),
    "consume the requests": lambda it: it.basic_consume(REQUESTS, lambda *_: None),
    "get a request": lambda it: it.basic_get(REQUESTS),
    "purge the requests": lambda it: it.queue_purge(REQUESTS),
    "delete the queue of the requests": lambda it: it.queue_delete(REQUESTS),
    "get another's broadcast": lambda it: it.basic_get("m7.broadcastQueue.other"),
}


@pytest.mark.req("TW-12")
@pytest.mark.parametrize("what", FORBIDDEN)
def test_the_broker_itself_forbids(vhost: Vhost, what: str) -> None:
    with channel_of(vhost, BACKEND) as backend:
        backend.queue_declare("m7.broadcastQueue.other")

        assert refusal(vhost, "trader", FORBIDDEN[what]) == ACCESS_REFUSED
        assert backend.queue_declare(REQUESTS, passive=True).method.message_count == 0


@pytest.mark.req("TW-12")
def test_nobody_publishes_in_anothers_name(vhost: Vhost) -> None:
    named = pika.BasicProperties(user_id="other")

    assert refusal(vhost, "trader", lambda it: it.basic_publish(EXCHANGE, INQUIRY, b"x", named)) == PRECONDITION_FAILED


def test_dead_letters_to_the_own_requests_are_what_the_broker_can_not_forbid(vhost: Vhost) -> None:
    """Why the gateway must: a queue of the client's own becomes requests, and nobody published them."""
    arguments = {"x-dead-letter-exchange": EXCHANGE, "x-dead-letter-routing-key": ORDERS}
    with channel_of(vhost, "trader") as client, channel_of(vhost, BACKEND) as backend:
        client.queue_declare("m7.broadcastQueue.trader", arguments={**arguments, "x-message-ttl": 0})
        backend.basic_publish("", "m7.broadcastQueue.trader", b"an order, perhaps")

        method, _, body = next(backend.consume(REQUESTS, inactivity_timeout=30))
        assert method is not None
        assert body == b"an order, perhaps"
        backend.cancel()


# ── the gateway's own account ──


def test_the_service_account_speaks_for_users_and_answers_them(vhost: Vhost) -> None:
    with channel_of(vhost, "trader") as client, channel_of(vhost, SERVICE) as service:
        client.queue_declare(QUEUE, exclusive=True)
        service.confirm_delivery()
        service.basic_publish(EXCHANGE, INQUIRY, b"LogoutReq", pika.BasicProperties(user_id="trader"), mandatory=True)
        service.basic_publish("", QUEUE, b"ErrResp", mandatory=True)

        assert client.basic_get(QUEUE, auto_ack=True)[2] == b"ErrResp"
    with channel_of(vhost, BACKEND) as backend:
        _, properties, body = backend.basic_get(REQUESTS, auto_ack=True)
        assert (properties.user_id, body) == ("trader", b"LogoutReq")


@pytest.mark.parametrize(
    "attempt",
    [
        lambda it: it.basic_get(REQUESTS),
        lambda it: it.basic_consume("m7.broadcastQueue.other", lambda *_: None),
        lambda it: it.queue_declare("m7.side"),
        lambda it: it.exchange_declare("m7.side", "topic"),
        lambda it: it.basic_publish("amq.topic", INQUIRY, b"x"),
    ],
    ids=["get", "consume", "declare a queue", "declare an exchange", "publish elsewhere"],
)
def test_the_service_account_can_do_nothing_else(vhost: Vhost, attempt: Callable[[Any], object]) -> None:
    with channel_of(vhost, BACKEND) as backend:
        backend.queue_declare("m7.broadcastQueue.other")

        assert refusal(vhost, SERVICE, attempt) == ACCESS_REFUSED


# ── what the gateway shuts: the same broker, the same user, the gateway in between ──

DEAD_LETTERS: dict[str, dict[str, object]] = {
    "to the own requests": {
        "x_dead_letter_exchange": EXCHANGE,
        "x_dead_letter_routing_key": ORDERS,
        "x_message_ttl": 1,
    },
    "to another's requests": {"x_dead_letter_exchange": OTHERS},
    "to any queue": {"x_dead_letter_exchange": "", "x_dead_letter_routing_key": REQUESTS},
    "by overflow": {"x_overflow": "reject-publish-dlx", "x_max_length": 1},
    "with a key alone": {"x_dead_letter_routing_key": ORDERS},
    "by an alternate exchange": {"alternate_exchange": EXCHANGE},
    "by an argument nobody knows yet": {"x_something_new": EXCHANGE},
}
WHEN = pytest.mark.parametrize("logged_in", [False, True], ids=["before the login", "after the login"])


@WHEN
async def test_no_queue_is_declared_that_makes_the_broker_publish(market: Market, logged_in: bool) -> None:
    await market.gateway()
    hand = await market.hand()
    if logged_in:
        await hand.logged_in()
    closed = {}

    for channel, (what, arguments) in enumerate(DEAD_LETTERS.items(), 2):
        await hand.peer.open_channel(channel)
        await hand.peer.send(amqp.queue_declare(channel, "m7.private.responseQueue.trader.dead", **arguments))
        closed[what] = (await hand.peer.method("channel.close", channel)).closing[0]

    assert closed == dict.fromkeys(DEAD_LETTERS, ACCESS_REFUSED)
    queues = {queue["name"] for queue in await market.vhost.get("queues")}
    assert "m7.private.responseQueue.trader.dead" not in queues


async def test_a_harmless_argument_is_the_clients_own_business(market: Market) -> None:
    await market.gateway()
    hand = await market.hand()

    await hand.peer.send(amqp.queue_declare(1, "m7.private.responseQueue.trader.short", x_max_length=10))

    await hand.peer.method("queue.declare-ok")


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("what", ["an order", "a login"])
async def test_copies_to_further_keys_are_swallowed_before_the_login(market: Market, library: str, what: str) -> None:
    gateway = await market.gateway()
    person = market.trader
    async with client_of(market.vhost, "trader", "--library", library, "--app-id", "ALGO", port=gateway.port) as client:
        body, key, copy = {
            "an order": (m7.order("copied"), ORDERS, INQUIRY),
            "a login": (m7.login("trader", person.code()), INQUIRY, ORDERS),
        }[what]

        sent = await client.ask("publish", key=key, body=body.decode(), cc=copy)

        answer = await client.until("response", correlation_id=sent["correlation_id"])
        assert answer["message"] == "ErrResp"
    assert market.exchange.requests == []


async def test_a_session_sends_no_copies_to_the_key_of_logins(market: Market) -> None:
    gateway = await market.gateway()
    options = ("--library", "aio-pika", "--app-id", "ALGO")
    async with client_of(
        market.vhost, "trader", *options, port=gateway.port, totp_secret=market.trader.secret
    ) as client:
        await client.log_in()
        body = m7.login("trader", market.trader.code(), force=True).decode()

        await client.ask("publish", key=ORDERS, body=body, cc=INQUIRY)

        await client.until("closed")
    assert [request.name for request in market.exchange.requests if request.key == INQUIRY] == ["LoginReq", "LogoutReq"]


@pytest.mark.req("TW-12")
async def test_a_session_meets_the_brokers_own_permissions(market: Market) -> None:
    reaches: dict[int, dict[str, str]] = {
        2: {"user_id": "other"},
        3: {"exchange": OTHERS},
        4: {"exchange": "amq.topic"},
        5: {"exchange": "", "key": REQUESTS},
    }
    await market.gateway()
    hand = await market.hand()
    await hand.logged_in()
    codes = {}

    for channel, other in reaches.items():
        await hand.peer.open_channel(channel)
        await hand.peer.send(hand.request(m7.order("reaching-out"), "reaching-out", channel=channel, **other))
        codes[channel] = (await hand.peer.method("channel.close", channel)).closing[0]

    assert codes == {2: PRECONDITION_FAILED, 3: ACCESS_REFUSED, 4: ACCESS_REFUSED, 5: ACCESS_REFUSED}
    assert market.exchange.orders() == []


async def test_the_gateway_comes_to_the_broker_by_its_certificate_and_the_client_by_none_of_it(market: Market) -> None:
    """The whole set-up of deploy/rabbitmq: the broker's TLS door, the transport certificate, a client with a password."""
    broker = market.vhost.broker
    shown = f'certificate = "{broker.gateway_certificate}", private_key = "{broker.gateway_key}"'
    await market.gateway(route=f'tls = {{ ca = "{broker.ca}", {shown} }}', broker=broker.amqps)
    hand = await market.hand()

    await hand.logged_in()
    await hand.trade("through-both-doors")

    assert market.exchange.orders() == ["through-both-doors"]
    peer = await market.wire()
    await peer.send(amqp.HEADER)
    start = (await peer.method("connection.start")).arguments
    assert b"PLAIN" in start
    assert b"EXTERNAL" not in start
