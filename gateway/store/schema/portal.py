"""The portal: its sessions, passkeys, and codes that were sent."""

from sqlalchemy import BigInteger, Column, Double, ForeignKey, Index, LargeBinary, Table, Text

from gateway.store.schema.base import metadata, text, user

web_sessions = Table(
    "web_sessions",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    user(),
    text("level"),
    Column("stamp", LargeBinary, nullable=False),
    Column("created", Double, nullable=False),
    Column("seen", Double, nullable=False),
    Column("expires", Double, nullable=False),
    text("address"),
    Column("challenge", LargeBinary),
    Index("ix_web_sessions_user_id", "user_id"),
)
"""Browsers and API clients: `digest` is the SHA-256 of the token, which stands nowhere; `stamp` tells whether the credentials
it was opened with are still the user's. `challenge`: what a passkey has to sign (WebAuthn).
"""

passkeys = Table(
    "passkeys",
    metadata,
    Column("id", Text, primary_key=True),
    user(),
    text("name"),
    Column("credential", LargeBinary, nullable=False, unique=True),
    Column("public_key", LargeBinary, nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    text("transports"),
    Column("created", Double, nullable=False),
    Column("last_used", Double),
    Index("ix_passkeys_user_id", "user_id"),
)

sent_codes = Table(
    "sent_codes",
    metadata,
    Column("user_id", Text, ForeignKey("users.id"), primary_key=True),
    Column("digest", LargeBinary, primary_key=True),
    text("channel"),
    Column("created", Double, nullable=False),
    Column("expires", Double, nullable=False),
    Column("used", Double),
    text("session", default=""),
)
"""One-time codes sent by e-mail or text message (HK-2); `digest` is keyed (`Vault.credential_digest`).
`session`: the one at a venue that it opened.
"""
