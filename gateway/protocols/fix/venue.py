"""Where a venue's Logon keeps user, password and code, and what its listener accepts.

Values only: `gateway.settings` reads them from config/venues/*.toml and from the listener's options.
"""

from dataclasses import dataclass
from enum import Enum


class Refusal(Enum):
    """How a refused Logon is answered."""

    AUTO = "auto"
    """A Logout with Text wherever it can lose nothing, else a silent close."""
    CLOSE = "close"
    """Never a byte."""
    LOGOUT = "logout"
    """A Logout even where the client's next number is not known: may lose a message after a broken line."""


@dataclass(frozen=True, slots=True)
class Venue:
    """One venue's Logon. Every field is a key of its file in config/venues, documented in default.toml.

    Invariants: `code_tag` 0 means that the code is the last `code_digits` digits of the password; a code is never
    forwarded; an encrypted password is never forwarded with the code inside it. Raises ValueError where they don't hold.
    """

    name: str = "default"
    user_tag: int = 553
    password_tag: int = 554
    encrypted: bool = False
    code_tag: int = 20030
    code_digits: int = 6
    forward_password: bool = True
    strip: tuple[int, ...] = ()
    inactivity_tag: int = 0

    def __post_init__(self) -> None:
        if self.code_tag == 0 and not 6 <= self.code_digits <= 8:  # noqa: PLR2004 - RFC 4226 §5.3 digits
            raise ValueError("code_digits must be 6, 7 or 8")
        if self.code_tag == 0 and self.encrypted and self.forward_password:
            raise ValueError(
                "an encrypted password with the code appended can't be forwarded: forward_password = false"
            )
        if self.encrypted and self.password_tag != 1402:  # noqa: PLR2004 - EncryptedPassword
            raise ValueError("an encrypted password is in EncryptedPassword: password_tag = 1402")
        tags = (self.user_tag, self.password_tag, *self.strip, self.code_tag or 1, self.inactivity_tag or 1)
        if any(not 0 < tag < 10**9 for tag in tags):
            raise ValueError("a tag is a number from 1 to 999999999")
        if {8, 9, 10, 34, 35, 52} & set(tags):
            raise ValueError("tags 8, 9, 10, 34, 35 and 52 belong to the session layer")


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What a listener takes before anybody is authenticated.

    `tolerance`: seconds that SendingTime may differ from the clock (FIX test case 2k: 120 s). `login_bytes`: the largest
    Logon. `held_bytes`: how much may arrive behind it before it is answered. `password_key`: the name of the key, which only
    the authority has, that EncryptedPassword(1402) is encrypted for.
    """

    versions: tuple[str, ...] = ("FIX.4.2", "FIX.4.4", "FIXT.1.1")
    tolerance: float = 120.0
    login_bytes: int = 16_384
    held_bytes: int = 1_048_576
    refusal: Refusal = Refusal.AUTO
    password_key: str = ""
