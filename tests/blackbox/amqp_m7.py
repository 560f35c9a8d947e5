"""M7's messages as a test writes them, right or wrong, and as it reads them: XML as text, so that every byte can be chosen.

Written from the public facts (design.md, AMQP), by hand: no code of the gateway's or the simulators' is used.
"""

import gzip
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.etree import ElementTree as ET

NAMESPACE = "http://www.deutsche-boerse.com/m7/v6"
INQUIRY, MANAGEMENT = "m7.request.inquiry", "m7.request.management"
CODE = "authVerificationCode"
TYPE = "x-m7/request; version=6.0"


def exchange_of(user: str) -> str:
    return f"m7.requestExchange.{user}"


def answers_of(user: str, suffix: str = "1") -> str:
    return f"m7.private.responseQueue.{user}.{suffix}"


def broadcasts_of(user: str) -> str:
    return f"m7.broadcastQueue.{user}"


def element(name: str, attributes: Mapping[str, str | None], inside: str = "", namespace: str = NAMESPACE) -> bytes:
    """One message; an attribute that is None is left out."""
    given = "".join(f' {key}="{value}"' for key, value in attributes.items() if value is not None)
    return f'<?xml version="1.0" encoding="UTF-8"?><{name} xmlns="{namespace}"{given}>{inside}</{name}>'.encode()


HEADER = '<StandardHeader marketId="EPEX"/>'


def login(user: str, code: str | None, *, force: bool | None = None, **more: str) -> bytes:
    """LoginReq as M7-2 has it."""
    forced = None if force is None else str(force).lower()
    attributes = {"user": user, "force": forced, "disconnectAction": "NO", CODE: code, **more}
    return element("LoginReq", attributes, HEADER)


def logout(session: str) -> bytes:
    return element("LogoutReq", {"sessionId": session}, HEADER)


def order(name: str) -> bytes:
    return element("OrdrEntry", {}, f'{HEADER}<Ordr clOrdrId="{name}" side="BUY" qty="1000" px="5000"/>')


@dataclass(frozen=True)
class Read:
    """A message taken apart: its name, and all attributes of it and of what it contains."""

    name: str
    attributes: Mapping[str, str] = field(default_factory=dict)

    def __getitem__(self, key: str) -> str:
        return self.attributes.get(key, "")


def read(body: bytes) -> Read:
    """Take a message apart; what is no XML is a message without a name."""
    try:
        root = ET.fromstring(gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body)
    except ET.ParseError:
        return Read("")
    attributes = {key: value for one in reversed(list(root.iter())) for key, value in one.attrib.items()}
    return Read(re.sub(r"\{.*\}", "", root.tag), attributes)
