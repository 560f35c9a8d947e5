"""Everything people and their administrators can do, put together once: for the command line and for the portal."""

from dataclasses import dataclass
from typing import Self

from gateway.auth.desk import Desk
from gateway.auth.house import House
from gateway.auth.intake.intake import Intake
from gateway.auth.links import Links, Post
from gateway.auth.myself import Myself
from gateway.auth.parts import Parts
from gateway.auth.passkeys import Passkeys
from gateway.auth.proofs import Proofs
from gateway.auth.requests import Requests
from gateway.auth.sentcodes import Messenger, SentCodes
from gateway.auth.signin import SignIn
from gateway.auth.uploads import Uploads
from gateway.auth.users import People
from gateway.store.store import Store


@dataclass(frozen=True, slots=True)
class Office:
    """The use-cases over one store. Every act names its actor and its time; none knows HTTP or a terminal."""

    people: People
    proofs: Proofs
    links: Links
    desk: Desk
    requests: Requests
    myself: Myself
    signin: SignIn
    passkeys: Passkeys
    sentcodes: SentCodes
    uploads: Uploads

    @classmethod
    def over(  # noqa: PLR0913, PLR0917 - what they need, put together once
        cls,
        store: Store,
        parts: Parts,
        people: People,
        house: House,
        post: Post | None = None,
        messenger: Messenger | None = None,
    ) -> Self:
        """Put them together; without `post` links are copied by hand, without `messenger` no codes are sent."""
        links, proofs = Links(store, parts, people, house, post), Proofs(parts, store.recovery)
        desk = Desk(store, people, links, Intake(store, parts.policy_of, house), house)
        signin = SignIn(store, parts, proofs, house)
        return cls(
            people,
            proofs,
            links,
            desk,
            Requests(store, proofs, links, desk, house),
            Myself(store, parts, people, proofs, house),
            signin,
            Passkeys(store, parts, proofs, signin, house),
            SentCodes(store, parts, messenger),
            Uploads(store, desk),
        )
