"""`notify`: try every way out, and see what waits."""

import asyncio
import secrets
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.exits import Refusal
from gateway.cli.options import COMMAND, AsJson, ConfigFile, new_app
from gateway.cli.output import print_json, print_table, say, when
from gateway.cli.workplace import at_work

if TYPE_CHECKING:
    from gateway.notify.channel import Channel
    from gateway.store.notices import Entry

app = new_app("Notifications: mail, webhooks and events.")


@app.command("test", **COMMAND)
def try_out(
    config: ConfigFile = None,
    to: Annotated[str, typer.Option(help="Where the mail goes; without it no mail is tried.", metavar="ADDRESS")] = "",
    *,
    as_json: AsJson = False,
) -> None:
    """Send a test message by every channel, and say what happened. Exit 1 where one did not take it."""
    from gateway.notifications import channels_of, spec_of  # noqa: PLC0415 - loads every channel's library
    from gateway.notify.spec import MAIL  # noqa: PLC0415
    from gateway.settings import load  # noqa: PLC0415

    spec = spec_of(load(config).settings)
    wanted = [name for name in spec.channels if to or name != MAIL]
    if not wanted:
        raise Refusal("there is no channel to try: configure [notify], or say --to ADDRESS")
    faults = asyncio.run(_tried(lambda: channels_of(spec), wanted, to))
    if as_json:
        print_json([{"channel": name, "sent": not fault, "error": fault} for name, fault in faults.items()])
    else:
        for name, fault in faults.items():
            say(f"{name}: {fault or 'sent'}")
    if any(faults.values()):
        raise Refusal("not every channel took the message")


async def _tried(make: Any, names: list[str], to: str) -> dict[str, str]:
    found = make()
    return {name: await _one(found[name], to) for name in names}


async def _one(channel: "Channel", to: str) -> str:
    """Return what went wrong, "" for nothing."""
    from gateway.notify.channel import Away, Declined, Message, Undeliverable  # noqa: PLC0415

    try:
        await channel.send(Message(secrets.token_hex(16), "test", to, time.time(), {}))
    except Away as error:
        return f"cannot be reached: {error}"
    except (Declined, Undeliverable) as error:
        return f"not taken: {error}"
    finally:
        await channel.close()
    return ""


@app.command("list", **COMMAND)
def list_notices(config: ConfigFile = None, *, as_json: AsJson = False) -> None:
    """List what waits to go out or was given up, without its content."""
    with at_work(config) as work:
        found = work.run(work.store.outbox.entries())
    if as_json:
        print_json([_fields(one) for one in found])
        return
    columns = ("notice", "channel", "state", "since", "next try", "until", "tries", "error")
    print_table(columns, (_cells(one) for one in found))


def _fields(one: "Entry") -> dict[str, Any]:
    return asdict(one) | {"state": one.state.value}


def _cells(one: "Entry") -> tuple[object, ...]:
    times = (when(one.created), when(one.due), when(one.expires))
    return (one.tag, one.channel, one.state.value, *times, one.tries, one.error)
