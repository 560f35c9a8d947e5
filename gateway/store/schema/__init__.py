"""The store's shape; migrations/ holds how it came to be. No behaviour here."""

from gateway.store.schema.base import metadata
from gateway.store.schema.logins import (
    addresses,
    bindings,
    burnt_steps,
    devices,
    failures,
    keys,
    memories,
    meta,
    orders,
    password_history,
    sessions,
    users,
)
from gateway.store.schema.notices import alerts, outbox, sightings
from gateway.store.schema.people import drafts, group_routes, groups, links, recovery_codes, requests
from gateway.store.schema.portal import passkeys, sent_codes, web_sessions
from gateway.store.schema.record import audit, audit_head, readers

__all__ = [
    "REVISION",
    "addresses",
    "alerts",
    "audit",
    "audit_head",
    "bindings",
    "burnt_steps",
    "devices",
    "drafts",
    "failures",
    "group_routes",
    "groups",
    "keys",
    "links",
    "memories",
    "meta",
    "metadata",
    "orders",
    "outbox",
    "passkeys",
    "password_history",
    "readers",
    "recovery_codes",
    "requests",
    "sent_codes",
    "sessions",
    "sightings",
    "users",
    "web_sessions",
]

REVISION = "0004"
"""The migration this program is written for (a test holds it to migrations/)."""
