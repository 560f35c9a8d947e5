"""Many people from a file (HK-8): sent and checked as a whole, then imported. What waits is sealed, for a short while."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Base64Bytes, Field
from starlette.status import HTTP_201_CREATED, HTTP_204_NO_CONTENT

from gateway.auth.intake.intake import Checked
from gateway.auth.uploads import LARGEST, Form, Upload
from gateway.core.secret import Secret
from gateway.portal.api.door import Me
from gateway.portal.api.models import Id, Model, Password, When, moment
from gateway.portal.api.problems import CONFLICT, FAULTY_FILE, FORBIDDEN, NOT_FOUND, SHOWN, may

router = APIRouter(prefix="/imports", tags=["imports"], responses=may(FORBIDDEN))
_ENCODED = LARGEST * 4 // 3 + 1024


class File(Model):
    """A file as it is, in Base64. `password` or `preshared` (hex) opens an encrypted PSKC file."""

    form: Form
    data: Annotated[Base64Bytes, Field(repr=False, min_length=1, max_length=_ENCODED)]
    password: Password | None = None
    preshared: Password | None = None


class LineFault(Model):
    """What is wrong in which line."""

    line: int
    text: str


class Counts(Model):
    """How many people and authenticators, and what is wrong with the others: the first thousand of `faulty`."""

    users: int
    devices: int
    faulty: int
    faults: list[LineFault]


class Waiting(Model):
    """A file that was checked; nothing of it is imported yet."""

    id: str
    expires: When
    found: Counts


@router.post("", status_code=HTTP_201_CREATED)
async def send_file(given: File, me: Me) -> Waiting:
    """Check a file, and keep it for a quarter of an hour."""
    upload = Upload(given.form, Secret(given.data), given.password, given.preshared)
    return await _checked(await me.office.uploads.keep(upload, me.by), me)


@router.get("/{file}", responses=may(NOT_FOUND))
async def check_file(file: Id, me: Me) -> Waiting:
    """Check it once more, as things stand now."""
    return await _checked(file, me)


@router.post("/{file}/import", responses=may(NOT_FOUND, CONFLICT, FAULTY_FILE))
async def import_file(file: Id, me: Me, partial: Annotated[bool, Query()] = False) -> Counts:  # noqa: FBT002 - a query
    """Import it: all of it, or (`partial`) what is right."""
    return _counts(await me.office.uploads.confirm(file, me.by, partial=partial))


@router.delete("/{file}", status_code=HTTP_204_NO_CONTENT)
async def forget_file(file: Id, me: Me) -> None:
    """Throw it away."""
    await me.office.uploads.forget(file, me.by)


async def _checked(id_: str, me: Me) -> Waiting:
    waiting = await me.office.uploads.check(id_, me.by)
    return Waiting(id=waiting.id, expires=moment(waiting.expires), found=_counts(waiting.checked))


def _counts(checked: Checked) -> Counts:
    faults = [LineFault(line=one.line, text=one.text) for one in checked.faults[:SHOWN]]
    return Counts(users=checked.users, devices=checked.devices, faulty=len(checked.faults), faults=faults)
