"""A new authenticator as it is shown, this once (M7-4, M7-5): QR, key as text, and what an app has to be told."""

from dataclasses import dataclass

import segno

from gateway.auth.users import Enrolment

_GROUP = 4
_MODULE, _BORDER = 6, 3
"""Pixels of one module, modules of white around: what phones read from a screen at arm's length."""


@dataclass(frozen=True, slots=True)
class Shown:
    """`key` in groups of four; `picture` is the QR code as a data: URL of a PNG, which holds the key."""

    device: str
    key: str
    uri: str
    picture: str

    def __repr__(self) -> str:
        """Show nothing of it."""
        return f"Shown({self.device})"


def shown(made: Enrolment) -> Shown:
    """Return what a page shows of a new authenticator."""
    key, uri = made.secret.reveal().decode(), made.uri.reveal().decode()
    groups = " ".join(key[at : at + _GROUP] for at in range(0, len(key), _GROUP))
    picture = segno.make(uri, error="m", micro=False).png_data_uri(scale=_MODULE, border=_BORDER)
    return Shown(made.device, groups, uri, picture)
