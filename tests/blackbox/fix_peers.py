"""Clients by hand in front of a gateway, with the credentials that its venue wants, and a counting exchange behind it.

It must not import the gateway.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.blackbox.fix_bytes import Field, build, now
from tests.blackbox.gated import SAME_CODE_AGAIN, config
from tests.blackbox.gateway_process import GatewayProcess
from tests.blackbox.people import PASSWORD, People, Person
from tests.blackbox.toy_peers import CountingEngine, ToyFixInitiator
from tests.blackbox.toy_session import ToySession


def credentials(person: Person, code: str | None = None, password: str = PASSWORD) -> list[Field]:
    """Return user, password and code as the default venue wants them."""
    return [(553, person.name), (554, password), (20030, person.code() if code is None else code)]


def toy(port: int, person: Person, *, counts_logout: bool = True, version: str = "FIX.4.4") -> ToyFixInitiator:
    """Return a client by hand that calls itself what the person is bound to."""
    session = ToySession(person.sender, "EXCHANGE", version, counts_logout=counts_logout)
    return ToyFixInitiator(port, session)


@dataclass
class Guarded:
    """A gateway and the counting exchange behind it."""

    gateway: GatewayProcess
    engine: CountingEngine
    people: People


@asynccontextmanager
async def guarded(
    folder: Path,
    people: People,
    *,
    policy: str = SAME_CODE_AGAIN,
    listener: str = "",
    more: str = "",
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[Guarded]:
    """Start both; `folder` is the gateway's."""
    people.move_in(folder)
    async with AsyncExitStack() as stack:
        engine = await stack.enter_async_context(CountingEngine(ToySession("EXCHANGE", people.trader.sender)))
        text = config(engine.port, policy=policy, listener=listener, more=more)
        gateway = await stack.enter_async_context(GatewayProcess(folder, text, (), environment))
        yield Guarded(gateway, engine, people)


def logon(
    fields: Sequence[Field], *, head: Sequence[Field] = (), begin: str = "FIX.4.4", sender: str = "ALGO"
) -> bytes:
    """Return a Logon; `head` replaces header fields by their tags (an empty value leaves the field out)."""
    header: dict[int, str | int | bytes] = {35: "A", 34: 1, 49: sender, 56: "EXCHANGE", 52: now()}
    header.update(dict(head))
    shown = [(tag, value) for tag, value in header.items() if value != ""]
    return build(begin, [*shown, (98, 0), (108, 30), *fields])
