"""`keys`: the data keys that seal the TOTP keys, and the master key that seals those (BY-7). No key is ever printed."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.options import COMMAND, AsJson, ConfigFile, new_app
from gateway.cli.output import print_json, print_table, say, when
from gateway.cli.workplace import Work, at_work

if TYPE_CHECKING:
    from gateway.store.ports import DataKey

app = new_app("Keys that seal the TOTP keys.")
NewMaster = Annotated[
    Path | None,
    typer.Option(
        "--master",
        metavar="NEW_KEY_FILE",
        help="Change the master key instead, to the one in this file; made with mode 0600 where it is missing.",
        show_default=False,
        dir_okay=False,
    ),
]


@app.command("list", **COMMAND)
def list_(config: ConfigFile = None, *, as_json: AsJson = False) -> None:
    """Show the data keys: which one seals, which only open, which were destroyed."""
    from gateway.auth.keys import Keys  # noqa: PLC0415 - the store is slow to import

    with at_work(config) as work:
        found = work.run(Keys(work.store.keys).list())
    newest = [key.id for key in found if key.retired is None][-1]
    rows = [_fields(key, newest) for key in found]
    if as_json:
        print_json(rows)
    else:
        shown = ((row["id"], row["state"], row["devices"], when(key.created), when(key.retired))
                 for row, key in zip(rows, found, strict=True))  # fmt: skip
        print_table(("key", "state", "devices", "made", "destroyed"), shown)


@app.command(**COMMAND)
def rotate(config: ConfigFile = None, master: NewMaster = None, *, as_json: AsJson = False) -> None:
    """Make a new data key, seal every TOTP key under it and destroy the old one, while gateways go on serving.

    Cut short anywhere, it is run again and goes on. With --master the data keys are sealed under a new master key instead:
    all of them or none. Gateways that run go on with what they have opened; none starts with the old master key any more.
    """
    with at_work(config) as work:
        if master is None:
            _rotate(work, as_json=as_json)
        else:
            _change_master(work, master, as_json=as_json)


def _rotate(work: Work, *, as_json: bool) -> None:
    from gateway.auth.keys import Keys  # noqa: PLC0415

    done = work.run(Keys(work.store.keys).rotate(work.actor()))
    if as_json:
        print_json({"key": done.key_id, "devices": done.devices})
    else:
        say(f"rotated: data key {done.key_id} seals now, {done.devices} TOTP keys were moved under it")


def _change_master(work: Work, file: Path, *, as_json: bool) -> None:
    from gateway.auth.keys import Keys  # noqa: PLC0415
    from gateway.store.vault import create_master_key, load_master_key  # noqa: PLC0415

    new = load_master_key(file) if file.exists() else create_master_key(file)
    count = work.run(Keys(work.store.keys).change_master(new, work.actor()))
    old = work.configuration.settings.store.key_file()
    if as_json:
        print_json({"data_keys": count, "master_key_file": str(file)})
        return
    where = f"put it in the place of {old}" if old else "give it as store.master_key"
    say(f"changed: the store's {count} data keys are sealed under the master key in {file}")
    say(
        f"Now, on every host: {where}. Gateways that run go on; with the old key none starts, and no other command works."
    )
    say(
        "Keep the old key as long as you keep back-ups from before. Was it stolen? Then run `gateway keys rotate`, too."
    )


def _fields(key: "DataKey", newest: str) -> dict[str, object]:
    state = "destroyed" if key.retired is not None else "seals" if key.id == newest else "opens"
    return {"id": key.id, "state": state, "devices": key.devices, "created": key.created, "destroyed": key.retired}
