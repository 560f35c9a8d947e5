"""Back-ups, for the command line: where the file goes and which passphrase is good enough (SF-22). Prints nothing.

A file has its name only when it is whole and on the disk; until then it is a nameless sibling that nobody else can read.
"""

import asyncio
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from gateway.core.secret import Secret
from gateway.store.errors import BackupRefused
from gateway.store.ports import Actor
from gateway.store.store import Store
from gateway.store.strongbox import SealingWriter
from gateway.store.vault import MasterKey

SHORTEST = 12
"""Characters of a passphrase: the file may lie about for years, and guessing it costs nothing but time."""


async def back_up(
    store: Store, out: BinaryIO, passphrase: Secret, by: Actor, *, master: MasterKey | None = None
) -> int:
    """Write the store, encrypted under `passphrase`, to `out`; return its rows. Raises BackupRefused, StoreUnavailable.

    `master` goes into the file where it is given: whoever has file and passphrase then has every TOTP key.
    """
    if len(passphrase.reveal().decode(errors="replace")) < SHORTEST:
        raise BackupRefused(f"the passphrase has fewer than {SHORTEST} characters")
    sealing = await asyncio.to_thread(SealingWriter, out, passphrase)
    return await store.backups.write(sealing, by, master)


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Give a file of mode 0600 that takes the place of `path` when the block ends, and vanishes where it raises."""
    handle, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        Path(part).rename(path)
    except BaseException:
        with suppress(OSError):
            Path(part).unlink()
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
