"""Who checks passwords, and what opens those that clients encrypt."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from gateway.core.secret import Secret
from gateway.settings.types import File, Form, Name, Seconds, SecretText, Section, given_secret, split_address

_SCHEMES = ("ldaps://", "ldap://")


def _directory(url: str) -> str:
    scheme = next((one for one in _SCHEMES if url.startswith(one)), None)
    if scheme is None:
        raise ValueError('a directory is "ldaps://host:636", or "ldap://host:389" for StartTLS')
    rest = url.removeprefix(scheme)
    split_address(rest if rest.rpartition("]")[2].count(":") else f"{rest}:1")
    return url


def _template(text: str) -> str:
    if text.count("{user}") != 1:
        raise ValueError("must have {user} in it, once")
    return text


Directory = Annotated[str, AfterValidator(_directory), Form("ldaps://host:port | ldap://host:port")]
Template = Annotated[str, AfterValidator(_template), Form("text with {user}")]


class SearchSettings(Section):
    """Finds a user's entry where its name can't be written from the user's: as a service account, before the bind as the user."""

    base: str = Field(min_length=1)
    """Where the search begins; it goes down from there."""
    filter: Template = "(uid={user})"
    """What fits the user's entry and no other; Active Directory: (sAMAccountName={user})."""
    bind_dn: str = Field(min_length=1)
    """The service account's name in the directory; it needs to read names, nothing more."""
    password: SecretText | None = None
    """Its password; meant for the environment."""
    password_file: File | None = None
    """File that holds the password instead."""

    @model_validator(mode="after")
    def _one_password(self) -> Self:
        self.secret()
        return self

    def secret(self) -> Secret:
        """Return the password. Raises ValueError where its file can't be read."""
        return given_secret(self.password, self.password_file, "password")


class LdapSettings(Section):
    """The directory, where passwords.backend = "ldap": a simple bind as the user, never without TLS (TW-4)."""

    servers: tuple[Directory, ...] = Field(min_length=1)
    """Tried in this order. ldaps:// is TLS from the first byte; ldap:// begins with StartTLS, and ends there where it is refused."""
    ca: File
    """PEM file with the authorities that may have signed the directory's certificate."""
    user_dn: Template | None = None
    """The name to bind as, where it can be written from the user's; Active Directory takes {user}@example.com too."""
    search: SearchSettings | None = None
    """How a user's entry is found."""
    timeout: Annotated[Seconds, Field(le=60)] = 3.0
    """For one password, all servers included; past it the login is refused (fail closed)."""
    connections: Annotated[int, Field(ge=1, le=64)] = 4
    """Passwords that are asked at one time, each on a connection of its own."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.user_dn is None) == (self.search is None):
            raise ValueError("needs either user_dn or search, not both")
        return self


class PasswordSettings(Section):
    """Who checks the passwords of users whose method is password or password+totp (M7-18)."""

    backend: Literal["local", "ldap"] = "local"
    """local: argon2id hashes in the store; ldap: a directory, which then also keeps the passwords' age and history."""
    ldap: LdapSettings | None = None
    """The directory."""

    @model_validator(mode="after")
    def _has_a_directory(self) -> Self:
        if self.backend == "ldap" and self.ldap is None:
            raise ValueError('backend = "ldap" needs [passwords.ldap]')
        return self


class TokenSettings(Section):
    """The key is in a PKCS#11 token (HSM) and never leaves it."""

    module: File
    """The token's library, as its maker installs it."""
    token: str = Field(min_length=1)
    """Label of the token."""
    key: str = Field(min_length=1)
    """Label of the RSA private key in it."""
    pin: SecretText | None = None
    """The token's user PIN; meant for the environment (in GATEWAY_PASSWORD_KEY)."""
    pin_file: File | None = None
    """File that holds the PIN instead."""

    @model_validator(mode="after")
    def _one_pin(self) -> Self:
        self.secret()
        return self

    def secret(self) -> Secret:
        """Return the PIN. Raises ValueError where its file can't be read."""
        return given_secret(self.pin, self.pin_file, "pin")


class PasswordKey(Section):
    """An RSA key that FIX clients encrypt EncryptedPassword(1402) for (CQ-3). Listeners name it; the authority alone opens it (SF-12)."""

    name: Name
    """What listeners call it in password_key."""
    padding: Literal["oaep", "oaep-sha1", "pkcs1"] = "oaep"
    """How the venue's clients pad: oaep (SHA-256), oaep-sha1, or pkcs1 (version 1.5)."""
    pem: File | None = None
    """PEM file with the private key, unencrypted; keep it readable by the gateway alone."""
    token: TokenSettings | None = None
    """The HSM that has it instead."""

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.pem is None) == (self.token is None):
            raise ValueError("needs either pem or token, not both")
        return self
