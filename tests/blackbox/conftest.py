"""Black-box tests: real peers over real sockets on the loopback, everything in tmp_path, everything ended by its pid."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import uvloop

from simulators.m7_node import Broker
from tests.blackbox.amqp_floor import Market
from tests.blackbox.broker import Vhost, open_vhost, shared_broker
from tests.blackbox.floor import Floor
from tests.blackbox.people import People, settle


@pytest.fixture
async def floor(tmp_path: Path) -> AsyncIterator[Floor]:
    """A place to start an engine, an algorithm and a gateway; `await floor.engine()`, `await floor.algo(port)`."""
    async with AsyncExitStack() as stack:
        yield Floor(stack, tmp_path)


@pytest.fixture(scope="session")
def people(tmp_path_factory: pytest.TempPathFactory) -> People:
    """The users that exist in a gateway's database before it starts; made once for all workers."""
    return settle(_of_the_run(tmp_path_factory) / "people")


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Broker:
    """The private RabbitMQ of this run."""
    return shared_broker(_of_the_run(tmp_path_factory) / "broker")


@pytest.fixture
def vhost(broker: Broker, tmp_path: Path) -> Iterator[Vhost]:
    """A vhost of the test's own, laid out for M7, with the clients `trader`, `quick` and `other`."""
    opened = open_vhost(broker, tmp_path, ("trader", "quick", "other"))
    yield opened
    broker.api().remove_vhost(opened.name)


@pytest.fixture
async def market(floor: Floor, people: People, vhost: Vhost) -> AsyncIterator[Market]:
    """An M7 exchange on a vhost of the test's own; `await market.gateway()`, then `await market.app()`."""
    async with Market(floor, people, vhost) as market:
        yield market


def _of_the_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of the run share."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> object:
    """Keep a failed test's counterparties' last words beside its traceback."""
    report = yield
    floor = getattr(item, "funcargs", {}).get("floor")
    if report.when == "call" and report.failed and floor is not None:
        report.sections += [("counterparties", text) for text in floor.reports()]
    return report


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> dict[str, object]:
    """Run the sockets' own tests on the event loop that the gateway runs on."""
    return {"loop": uvloop.new_event_loop if item.path.name.startswith("test_net_") else asyncio.new_event_loop}
