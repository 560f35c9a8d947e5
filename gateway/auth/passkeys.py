"""Passkeys (WebAuthn): a second factor for the portal alone, beside the password; a venue's login knows none.

A passkey is bound to the portal's name (`House.portal`); what it signs is asked for once and good for one answer. Who
adds or removes one gives its password again, as for every credential (M7-4).
"""

import json
import secrets
import struct
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

import webauthn
from webauthn.helpers import base64url_to_bytes, parse_registration_credential_json
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from gateway.auth.house import House
from gateway.auth.links import digest_of
from gateway.auth.parts import Parts
from gateway.auth.proofs import Claim, Proofs, Signed
from gateway.auth.signin import Entered, Level, SignIn
from gateway.core.secret import Secret
from gateway.policy.proof import Factor
from gateway.policy.snapshot import UsePasskey
from gateway.store.errors import Conflict
from gateway.store.portal import Passkey
from gateway.store.ports import Account, Actor, PasskeyInfo
from gateway.store.store import Store

ANSWERED_WITHIN = 600.0
"""Seconds an authenticator has to answer: the password that was given for it vouches for no more than that."""
LONGEST = 65536
"""Bytes of an authenticator's answer: far more than any has."""
_PASSWORD = frozenset({Factor.PASSWORD})
_ASKED = struct.Struct(">d")
_SELECTION = AuthenticatorSelectionCriteria(
    resident_key=ResidentKeyRequirement.DISCOURAGED, user_verification=UserVerificationRequirement.PREFERRED
)


class BadPasskey(ValueError):  # noqa: N818 - reads as what it says
    """The authenticator's answer is not one to what was asked."""


class Passkeys:
    """Invariants: nobody acts on another's account here; a passkey is added and removed only by who has proved everything;
    each answer, good or bad, uses up what was asked.
    """

    def __init__(self, store: Store, parts: Parts, proofs: Proofs, signin: SignIn, house: House) -> None:
        self._store = store
        self._parts = parts
        self._proofs = proofs
        self._signin = signin
        self._house = house

    async def mine(self, by: Actor) -> tuple[PasskeyInfo, ...]:
        """Return one's passkeys. Raises NotFound."""
        return (await self._store.users.show(by.name)).passkeys

    async def begin(self, token: Secret, password: Secret, by: Actor) -> str:
        """Ask the browser for a new passkey; return the options for `navigator.credentials.create`, JSON.

        Raises Denied, NotFound, Conflict where the session has not proved everything or there are enough (SF-6).
        """
        account = await self._owner(token, by)
        await self._prove(account, password, "passkey.add", by)
        if len(account.passkeys) >= self._most(account):
            raise Conflict(f"you have {self._most(account)} passkeys already; remove one first")
        asked = webauthn.generate_registration_options(
            rp_id=self._rp_id,
            rp_name=self._rp_id,
            user_id=account.user.id.encode(),
            user_name=account.user.name,
            challenge=_challenge(by.wall),
            authenticator_selection=_SELECTION,
            exclude_credentials=_descriptors(await self._store.passkeys.passkeys(account.user.name)),
        )
        await self._store.web_sessions.challenge(digest_of(token), asked.challenge)
        return webauthn.options_to_json(asked)

    async def add(self, token: Secret, answer: str, label: str, by: Actor) -> Entered:
        """Keep the passkey that the browser made; the session goes on under a new token, the user's others are over.

        Raises BadPasskey, NotFound, Conflict.
        """
        account = await self._owner(token, by)
        made = self._registered(await self._store.web_sessions.answered(digest_of(token)), answer, by.wall)
        passkey = Passkey(
            "", label, made.credential_id, made.credential_public_key, made.sign_count, _transports(answer)
        )
        mine = Actor(account.user.name, by.wall, by.address)
        await self._store.passkeys.add(account.user.name, passkey, mine, at_most=self._most(account))
        return await self._signin.renew(token, mine)

    async def rename(self, passkey: str, label: str, by: Actor) -> None:
        """Call a passkey something else: no credential, so no password. Raises NotFound."""
        await self._store.passkeys.rename(by.name, passkey, label, by)

    async def remove(self, token: Secret, password: Secret, passkey: str, by: Actor) -> Entered:
        """Forget a passkey; the session goes on under a new token, the user's others are over. Raises Denied, NotFound."""
        account = await self._owner(token, by)
        await self._prove(account, password, "passkey.remove", by)
        mine = Actor(account.user.name, by.wall, by.address)
        await self._store.passkeys.remove(account.user.name, passkey, mine)
        return await self._signin.renew(token, mine)

    async def ask(self, token: Secret, by: Actor) -> str:
        """Ask for a passkey of who has proved its password; return the options for `navigator.credentials.get`, JSON.

        Raises NotFound, Conflict where there is none, or nothing to prove any more.
        """
        session = await self._signin.resume(token, by)
        known = await self._store.passkeys.passkeys(session.user)
        if session.level is not Level.PASSWORD or not known:
            raise Conflict("no passkey is asked for here")
        asked = webauthn.generate_authentication_options(
            rp_id=self._rp_id, challenge=_challenge(by.wall), allow_credentials=_descriptors(known)
        )
        await self._store.web_sessions.challenge(digest_of(token), asked.challenge)
        return webauthn.options_to_json(asked)

    async def answer(self, token: Secret, answer: Secret, by: Actor) -> Entered:
        """Let a session that has proved its password go on as one that has proved everything, under a new token.

        Raises Denied: a wrong answer is a wrong code, in the same record of failures. NotFound, Conflict as `ask`.
        """
        session = await self._signin.resume(token, by)
        challenge = await self._store.web_sessions.answered(digest_of(token))
        use = self._used(challenge, answer, await self._store.passkeys.passkeys(session.user))
        return await self._signin.step_up(token, Claim(session.user, passkey=Signed(answer, use)), by)

    # ── what is behind it ──

    async def _owner(self, token: Secret, by: Actor) -> Account:
        session = await self._signin.resume(token, by)
        if session.level is not Level.FULL:
            raise Conflict("a passkey is a second one: prove, or set up, the first second factor first")
        return await self._store.users.show(session.user)

    async def _prove(self, account: Account, password: Secret, purpose: str, by: Actor) -> None:
        await self._proofs.prove(Claim(account.user.name, password, address=by.address), _PASSWORD, purpose)

    def _most(self, account: Account) -> int:
        return self._parts.policy_of(account.user).totp.max_devices

    @property
    def _rp_id(self) -> str:
        name = urlsplit(self._house.portal).hostname
        if not name:
            raise Conflict("passkeys are bound to the portal's name: set portal.url")
        return name

    @property
    def _origin(self) -> str:
        parts = urlsplit(self._house.portal)
        return f"{parts.scheme}://{parts.netloc}".lower()

    def _registered(self, challenge: bytes, answer: str, now: float) -> Any:
        try:
            _check_age(challenge, now)
            return webauthn.verify_registration_response(
                credential=_bounded(answer),
                expected_challenge=challenge,
                expected_rp_id=self._rp_id,
                expected_origin=self._origin,
            )
        except Exception as error:  # whatever is wrong with what a browser sent, it is no passkey
            raise BadPasskey("that is no answer to what was asked: begin again") from error

    def _used(self, challenge: bytes, answer: Secret, known: Iterable[Passkey]) -> UsePasskey | None:
        """Return the use of the passkey that signed the challenge; None where none did."""
        try:
            text = _bounded(answer.reveal().decode())
            signer = base64url_to_bytes(json.loads(text)["rawId"])
            passkey = next(one for one in known if one.credential == signer)
            found = webauthn.verify_authentication_response(
                credential=text,
                expected_challenge=challenge,
                expected_rp_id=self._rp_id,
                expected_origin=self._origin,
                credential_public_key=passkey.public_key,
                credential_current_sign_count=passkey.count,
            )
        except Exception:  # noqa: BLE001 - fail closed: whatever is wrong with it, it is a wrong answer
            return None
        return UsePasskey(passkey.id, passkey.count, found.new_sign_count)


def _challenge(now: float) -> bytes:
    """Return what an authenticator has to sign: nobody guesses it, and it says when it was asked."""
    return _ASKED.pack(now) + secrets.token_bytes(32)


def _check_age(challenge: bytes, now: float) -> None:
    (asked,) = _ASKED.unpack_from(challenge)
    if abs(now - asked) >= ANSWERED_WITHIN:
        raise ValueError("asked too long ago")


def _bounded(answer: str) -> str:
    if len(answer) > LONGEST:
        raise ValueError("an authenticator's answer is small")
    return answer


def _descriptors(known: Iterable[Passkey]) -> list[PublicKeyCredentialDescriptor]:
    return [
        PublicKeyCredentialDescriptor(
            id=one.credential, transports=[AuthenticatorTransport(way) for way in one.transports]
        )
        for one in known
    ]


def _transports(answer: str) -> tuple[str, ...]:
    given = parse_registration_credential_json(answer).response.transports or []
    return tuple(way.value for way in given)
