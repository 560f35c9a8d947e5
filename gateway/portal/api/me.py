"""One's own account (M7-4 to M7-6, HK-5, SF-4, SF-6, TW-7, TW-12). Each change of a credential asks for the password anew
and gives a new token: the old one, and every other session, is over.
"""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.status import HTTP_201_CREATED, HTTP_204_NO_CONTENT

from gateway.auth.history import PAGE
from gateway.portal.api.door import Caller, Me
from gateway.portal.api.models import (
    Entry,
    History,
    Id,
    Label,
    Model,
    Password,
    Proof,
    Session,
    Sessions,
    Shown,
    Typed,
    When,
)
from gateway.portal.api.person import Person
from gateway.portal.api.problems import CONFLICT, NOT_FOUND, REFUSED_PROOF, WEAK_PASSWORD, WRONG_CODE, may
from gateway.portal.api.tokens import Token
from gateway.portal.pages.setup import BLANK

router = APIRouter(prefix="/me", tags=["me"])
ROW = 10**18
"""Rows of the audit chain have smaller numbers."""
Before = Annotated[int | None, Query(ge=1, lt=ROW)]


class Device(Model):
    """An authenticator. Its key is not among it."""

    id: str
    name: str
    algorithm: str
    digits: int
    period: int
    confirmed: bool
    created: When
    last_used: When | None


class Devices(Model):
    """One's authenticators."""

    devices: list[Device]


class NewDevice(Proof):
    """Another authenticator, and what to call it."""

    label: Label


class Renaming(Model):
    """What to call it."""

    label: Label


class Enrolled(Model):
    """A new authenticator with its key, told this once (M7-4): `secret` in base32, `uri` for a QR code (M7-5)."""

    id: str
    secret: Shown
    uri: Shown


class NewPassword(Model):
    """The current password and the one to come."""

    password: Password
    new: Password


class RecoveryCodes(Model):
    """Each stands in for a one-time code once (HK-5). Told this once."""

    codes: Annotated[list[str], Shown]


class RecoveryLeft(Model):
    """How many are unused."""

    left: int


@router.get("")
async def my_account(me: Me) -> Person:
    """Say who you are."""
    return Person.of(await me.office.myself.account(me.by), me.by.wall)


@router.get("/devices")
async def my_devices(me: Me) -> Devices:
    """List your authenticators."""
    found = await me.office.myself.devices(me.by)
    return Devices(devices=[Device.model_validate(one) for one in found])


@router.post("/devices", status_code=HTTP_201_CREATED, responses=may(REFUSED_PROOF, CONFLICT))
async def add_device(given: NewDevice, me: Me) -> Enrolled:
    """Begin another authenticator; it counts once it is confirmed."""
    made = await me.office.myself.add(given.password, BLANK, given.label, me.by)
    return Enrolled(id=made.device, secret=made.secret.reveal().decode(), uri=made.uri.reveal().decode())


@router.patch("/devices/{device}", status_code=HTTP_204_NO_CONTENT, responses=may(NOT_FOUND))
async def rename_device(device: Id, given: Renaming, me: Me) -> None:
    """Call one something else."""
    await me.office.myself.rename(device, given.label, me.by)


@router.post(
    "/devices/{device}/regenerate", status_code=HTTP_201_CREATED, responses=may(REFUSED_PROOF, NOT_FOUND, CONFLICT)
)
async def regenerate_device(device: Id, given: Proof, me: Me) -> Enrolled:
    """Begin a new key in its place; the old one counts until the new one is confirmed."""
    made = await me.office.myself.regenerate(given.password, device, me.by)
    return Enrolled(id=made.device, secret=made.secret.reveal().decode(), uri=made.uri.reveal().decode())


@router.post("/devices/{device}/confirm", responses=may(NOT_FOUND, CONFLICT, WRONG_CODE))
async def confirm_device(device: Id, given: Typed, me: Me) -> Token:
    """Make one count, by a first code of it."""
    await me.office.myself.confirm(device, given.code, me.by)
    return await _renewed(me)


@router.post("/devices/{device}/remove", responses=may(REFUSED_PROOF, NOT_FOUND, CONFLICT))
async def remove_device(device: Id, given: Proof, me: Me) -> Token:
    """Destroy one's key. The last one that is needed stays (SF-4)."""
    await me.office.myself.remove(given.password, device, me.by)
    return await _renewed(me)


@router.get("/recovery-codes")
async def my_recovery_codes(me: Me) -> RecoveryLeft:
    """Say how many there are."""
    return RecoveryLeft(left=await me.office.myself.recovery_codes_left(me.by))


@router.post("/recovery-codes", status_code=HTTP_201_CREATED, responses=may(REFUSED_PROOF, CONFLICT))
async def make_recovery_codes(given: Proof, me: Me) -> RecoveryCodes:
    """Make new ones; the old ones are void."""
    made = await me.office.myself.recovery_codes(given.password, me.by)
    return RecoveryCodes(codes=[one.reveal().decode() for one in made])


@router.post("/password", responses=may(REFUSED_PROOF, CONFLICT, WEAK_PASSWORD))
async def change_password(given: NewPassword, me: Me) -> Token:
    """Choose a new one."""
    await me.office.myself.change_password(given.password, given.new, me.by)
    return await _renewed(me)


@router.get("/sessions")
async def my_sessions(me: Me) -> Sessions:
    """List your live sessions at the venue."""
    found = await me.office.myself.sessions(me.by)
    return Sessions(sessions=[Session.model_validate(one) for one in found])


@router.get("/history")
async def my_history(me: Me, before: Before = None) -> History:
    """List your logins, the newest first, a page at a time."""
    found = await me.office.myself.history(me.by, before)
    return page_of([Entry.model_validate(one) for one in found])


def page_of(found: list[Entry]) -> History:
    """Return a page of logins, and where the next one begins."""
    return History(logins=found, next=found[-1].seq if len(found) == PAGE else None)


async def _renewed(me: Caller) -> Token:
    return Token.of(await me.office.signin.renew(me.token, me.by))
