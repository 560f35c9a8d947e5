"""Importing people from a browser (HK-8): a file is checked, waits sealed, and is imported when its administrator says so.

What the file holds may be keys: it stands nowhere in clear, and nobody but who uploaded it can import it.
"""

import asyncio
import base64
import binascii
import json
import secrets
from dataclasses import dataclass
from enum import Enum

from gateway.auth.desk import Desk
from gateway.auth.intake.intake import Checked
from gateway.auth.intake.otpauth import read_otpauth
from gateway.auth.intake.pskc import read_pskc
from gateway.auth.intake.pskccrypto import PskcKey
from gateway.auth.intake.rows import read_csv
from gateway.auth.intake.values import Reading
from gateway.core.secret import Secret
from gateway.store.drafts import Draft
from gateway.store.ports import Actor
from gateway.store.store import Store

WAITS = 900.0
"""Seconds a checked file waits."""
LARGEST = 4 * 1024 * 1024
"""Bytes of a file."""
LINES = 20_000
"""Lines of a file: more people come by the command line, beside order entry and not in the middle of it."""


class Form(Enum):
    """What kind of file it is."""

    CSV = "csv"
    PSKC = "pskc"
    OTPAUTH = "otpauth"


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it came. `password` or `preshared` (hex) opens an encrypted PSKC file."""

    form: Form
    data: Secret
    password: Secret | None = None
    preshared: Secret | None = None

    def sealed_text(self) -> Secret:
        """Return it as one text; the inverse of `upload_from`."""
        parts = {"data": self.data, "password": self.password, "preshared": self.preshared}
        said = {name: base64.b64encode(part.reveal()).decode() for name, part in parts.items() if part is not None}
        return Secret(json.dumps({"form": self.form.value, **said}))


def upload_from(text: Secret) -> Upload:
    """Return the file of a draft."""
    said = json.loads(text.reveal())
    parts = {name: Secret(base64.b64decode(value)) for name, value in said.items() if name != "form"}
    return Upload(Form(said["form"]), **parts)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A file that was checked; nothing of it is imported yet. `expires` is wall seconds."""

    id: str
    checked: Checked
    expires: float


class Uploads:
    """Invariant: what is imported was checked again when it was; what is wrong with it by then stops it."""

    def __init__(self, store: Store, desk: Desk) -> None:
        self._store = store
        self._desk = desk

    async def keep(self, upload: Upload, by: Actor) -> str:
        """Keep a file for a while, in place of one that waits, and return its id. Raises Forbidden, ValueError."""
        await self._desk.check_import(Reading(), by)
        size, lines = len(upload.data.reveal()), upload.data.reveal().count(b"\n")
        if not 0 < size <= LARGEST or lines > LINES:
            raise ValueError(f"choose a file of at most {LARGEST // 1024 // 1024} MB and {LINES} lines")
        _key(upload)
        draft = Draft(secrets.token_hex(8), by.name, by.wall + WAITS, upload.sealed_text())
        await self._store.drafts.put(draft)
        return draft.id

    async def check(self, id_: str, by: Actor) -> Waiting:
        """Find everything that is wrong with a file, as things stand now. Raises Forbidden, NotFound."""
        draft = await self._store.drafts.show(id_, by.name, by.wall)
        checked = await self._desk.check_import(await _read(upload_from(draft.body)), by)
        return Waiting(draft.id, checked, draft.expires)

    async def confirm(self, id_: str, by: Actor, *, partial: bool) -> Checked:
        """Import it, all or (`partial`) what is right. Raises NotFound, Forbidden, FaultyFile, Conflict."""
        draft = await self._store.drafts.show(id_, by.name, by.wall)
        done = await self._desk.import_people(await _read(upload_from(draft.body)), by, partial=partial)
        await self._store.drafts.drop(id_, by.name)
        return done

    async def forget(self, id_: str, by: Actor) -> None:
        """Throw it away."""
        await self._store.drafts.drop(id_, by.name)


async def _read(upload: Upload) -> Reading:
    """Read it in a thread: a large file, or a slow derivation of its key, holds up nobody."""
    data = upload.data.reveal()
    match upload.form:
        case Form.CSV:
            return await asyncio.to_thread(read_csv, data)
        case Form.OTPAUTH:
            return await asyncio.to_thread(read_otpauth, data)
        case Form.PSKC:
            return await asyncio.to_thread(read_pskc, data, _key(upload))


def _key(upload: Upload) -> PskcKey | None:
    if upload.password is not None:
        return PskcKey(password=upload.password)
    if upload.preshared is None:
        return None
    try:
        return PskcKey(preshared=Secret(binascii.unhexlify(b"".join(upload.preshared.reveal().split()))))
    except ValueError:
        raise ValueError("the key is not hex") from None
