"""Black-box tests: real peers over real sockets on the loopback, everything in tmp_path, everything ended by its pid."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import uvloop

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
    folder = tmp_path_factory.getbasetemp()
    return settle((folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "people")


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
