"""The ports stay small, and every implementation keeps to them."""

import inspect

import pytest

from gateway.store import alerts, notices, ports
from gateway.store.chain import SqlAuditStore
from gateway.store.devices import SqlDeviceStore
from gateway.store.keys import SqlKeyStore
from gateway.store.logins import SqlLoginStore
from gateway.store.outbox import SqlOutboxStore
from gateway.store.readers import SqlReaderStore
from gateway.store.sessions import SqlSessionStore
from gateway.store.users import SqlUserStore

PORTS = {
    ports.LoginStore: SqlLoginStore,
    ports.UserStore: SqlUserStore,
    ports.DeviceStore: SqlDeviceStore,
    ports.SessionStore: SqlSessionStore,
    ports.AuditStore: SqlAuditStore,
    ports.KeyStore: SqlKeyStore,
    notices.OutboxStore: SqlOutboxStore,
    notices.ReaderStore: SqlReaderStore,
    alerts.AlertStore: alerts.SqlAlertStore,
}


def methods(port: type) -> dict[str, object]:
    return {name: value for name, value in vars(port).items() if inspect.isfunction(value) and not name.startswith("_")}


@pytest.mark.parametrize("port", PORTS)
def test_a_port_has_at_most_8_methods(port: type):
    assert 1 <= len(methods(port)) <= 8


@pytest.mark.parametrize("port", PORTS)
def test_an_implementation_takes_what_its_port_says(port: type):
    theirs = {name: str(inspect.signature(method)) for name, method in methods(port).items()}
    ours = {name: str(inspect.signature(method)) for name, method in methods(PORTS[port]).items()}

    assert ours == theirs
