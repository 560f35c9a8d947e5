"""RabbitMQ's management API: what an exchange's operations staff does to its broker, and what tests ask it.

It must not know what M7 is.
"""

import base64
import http.client
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

_PATIENCE = 20.0  # seconds
_FIRST_ERROR = 400


class ManagementError(Exception):
    """The API refused; the text says what was asked and how it answered, never a password."""


class Management:
    """One administrator's view of one broker. Invariant: each call is a connection of its own; threads may share it."""

    def __init__(self, host: str, port: int, user: str, password: str) -> None:
        self._address = (host, port)
        self._authorization = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()

    def call(self, method: str, path: str, body: object = None, **headers: str) -> Any:
        """Return the JSON answer, None where there is none; ManagementError for every status from 400 on."""
        connection = http.client.HTTPConnection(*self._address, timeout=_PATIENCE)
        try:
            own = {"Authorization": self._authorization, "Content-Type": "application/json", "Connection": "close"}
            text = None if body is None else json.dumps(body)
            connection.request(method, f"/api/{path}", text, {**own, **headers})
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if answer.status >= _FIRST_ERROR:
            raise ManagementError(f"{method} {path}: {answer.status} {content[:300].decode(errors='replace')}")
        return json.loads(content) if content else None

    def define(self, definitions: Mapping[str, object]) -> None:
        """Add users, vhosts, permissions, exchanges, queues and bindings to what is there."""
        self.call("POST", "definitions", definitions)

    def connections(self, vhost: str, user: str = "") -> list[str]:
        """Return the names of the connections of a vhost, of one user if named; a new one may take a moment to show."""
        found = self.call("GET", f"vhosts/{quote(vhost, safe='')}/connections")
        return [str(one["name"]) for one in found if "name" in one and user in ("", one.get("user"))]

    def close_connection(self, name: str, reason: str) -> None:
        """Close one with 320 CONNECTION_FORCED and that text; it may be gone already."""
        try:
            self.call("DELETE", f"connections/{quote(name, safe='')}", **{"X-Reason": reason})
        except ManagementError as error:
            if ": 404 " not in str(error):
                raise

    def remove_vhost(self, vhost: str) -> None:
        """Remove a vhost and all that is in it."""
        self.call("DELETE", f"vhosts/{quote(vhost, safe='')}")
