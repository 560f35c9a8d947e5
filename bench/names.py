"""M7's names on the wire, as config/venues/m7.toml has them: what the bench's broker, exchange and clients agree upon."""

M7_NAMESPACE = "http://www.deutsche-boerse.com/m7/v6"
VHOST = "app"
LOGIN_KEY = "m7.request.inquiry"
ORDER_KEY = "m7.request.management"
CONTENT_TYPE = "x-m7/request; version=6.0"
EXCHANGE_ACCOUNT = ("bench-exchange", "Bench-pass-w0rd")  # who answers logins
GATEWAY_ACCOUNT = ("bench-gateway", "Bench-pass-w0rd")  # who speaks for the users
LOGINS, ORDERS = "bench.logins", "bench.orders"  # the bench's own: the queues behind every user's exchange


def exchange_of(user: str) -> str:
    return f"m7.requestExchange.{user}"


def queue_of(user: str, suffix: str) -> str:
    return f"m7.private.responseQueue.{user}.{suffix}"
