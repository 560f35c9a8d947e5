"""M7's requests, answers and broadcasts as the simulators write and read them: XML of namespace v6, perhaps gzipped.

Public facts only; where a public source shows no form (orders, executions) ours is as small as a test needs.
"""

import functools
import gzip
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from lxml import etree

NAMESPACE = "http://www.deutsche-boerse.com/m7/v6"
MARKET = "EPEX"
ALIVE = b"SYSTEM_ALIVE"
"""The heartbeat among the broadcasts; the one body that is no XML."""
INQUIRY, MANAGEMENT = "m7.request.inquiry", "m7.request.management"
CODE = "authVerificationCode"
REQUEST_TYPE = "x-m7/request; version=6.0"
RESPONSE_TYPE = "x-m7/response; version=6.0"
BROADCAST_TYPE = "x-m7/broadcast; version=6.0"
HEARTBEAT_TYPE = "x-m7/heartbeat"
_SCHEMA = Path(__file__).resolve().parent.parent / "fix_specs" / "m7-login.xsd"
_SECRETS = frozenset({CODE, "oldPwd", "newPwd"})
_SHOWN_AS = "(present)"
_HEADER = ("StandardHeader", {"marketId": MARKET})


class UnreadableError(Exception):
    """The body is no message; the text says why."""


@dataclass(frozen=True, slots=True, repr=False)
class Message:
    """One message: its name, the attributes of its root, and those of every element below, by local name."""

    name: str
    attributes: Mapping[str, str]
    below: tuple[tuple[str, Mapping[str, str]], ...]

    def shown(self) -> dict[str, str]:
        """Return the root's attributes, secrets replaced."""
        return {name: _SHOWN_AS if name in _SECRETS else text for name, text in self.attributes.items()}

    def carries_code(self) -> bool:
        """Say whether a one-time code is anywhere in it."""
        return any(CODE in attributes for attributes in (self.attributes, *(found for _, found in self.below)))

    def value(self, name: str) -> str:
        """Return the first attribute of that name, on whichever element it stands; "" for none."""
        found = (
            attributes[name] for attributes in (self.attributes, *(one for _, one in self.below)) if name in attributes
        )
        return next(found, "")

    def each(self, name: str) -> list[Mapping[str, str]]:
        """Return the attributes of the elements of that name."""
        return [attributes for found, attributes in self.below if found == name]


def requests_of(user: str) -> str:
    """Return the exchange that takes this user's requests."""
    return f"m7.requestExchange.{user}"


def broadcasts_of(user: str) -> str:
    """Return the queue of this user's broadcasts."""
    return f"m7.broadcastQueue.{user}"


def read(body: bytes, encoding: str | None) -> Message:
    """Return what a body says; UnreadableError if it is no XML of M7's namespace."""
    try:
        root = ET.fromstring(unpacked(body, encoding))  # noqa: S314  a simulator; expat limits amplification itself
    except (ET.ParseError, ValueError, OSError, zlib.error, EOFError) as error:
        raise UnreadableError(f"{type(error).__name__}: {error}") from None
    if not root.tag.startswith(f"{{{NAMESPACE}}}"):
        raise UnreadableError(f"{root.tag} is not of the namespace {NAMESPACE}")
    below = tuple((_local(element.tag), dict(element.attrib)) for element in root.iter() if element is not root)
    return Message(_local(root.tag), dict(root.attrib), below)


def schema_problem(body: bytes, encoding: str | None) -> str:
    """Return what the login schema finds wrong with a LoginReq, LogoutReq or an answer to them; "" for nothing."""
    schema = _schema()
    try:
        tree = etree.fromstring(unpacked(body, encoding), etree.XMLParser(resolve_entities=False, no_network=True))
    except etree.XMLSyntaxError as error:
        return str(error)
    try:
        schema.assertValid(tree)
    except etree.DocumentInvalid as error:
        return str(error)
    return ""


@functools.cache
def _schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(str(_SCHEMA)))


def packed(body: bytes, encoding: str) -> bytes:
    """Return the body in that content encoding: gzip, deflate, or "" for none."""
    if encoding == "gzip":
        return gzip.compress(body, mtime=0)
    return zlib.compress(body) if encoding == "deflate" else body


def unpacked(body: bytes, encoding: str | None) -> bytes:
    """Undo `packed`."""
    if encoding == "gzip":
        return gzip.decompress(body)
    return zlib.decompress(body) if encoding == "deflate" else body


# ── what clients send ───────────────────────────────────────────────────────────────────────────────────────────────


def login_request(user: str, code: str | None, *, force: bool | None) -> bytes:
    """LoginReq (M7-2); `code` None and `force` None leave the attribute out."""
    optional = {CODE: code, "force": None if force is None else str(force).lower()}
    given = {name: text for name, text in optional.items() if text is not None}
    return _request("LoginReq", {"user": user, "disconnectAction": "NO", **given})


def logout_request(session: str) -> bytes:
    """LogoutReq; `session` "" leaves the session id out."""
    return _request("LogoutReq", {"sessionId": session} if session else {})


def order_entry(cl_ord_ids: Iterable[str]) -> bytes:
    """OrdrEntry: some orders, each with its own id."""
    orders = [("Ordr", {"clOrdrId": one, "side": "BUY", "qty": "1000", "px": "5000"}) for one in cl_ord_ids]
    return _request("OrdrEntry", {}, orders)


def password_request(old: str, new: str) -> bytes:
    """ChgPwdReq: the exchange closes the connection once it is done."""
    return _request("ChgPwdReq", {"oldPwd": old, "newPwd": new})


# ── what the exchange sends ─────────────────────────────────────────────────────────────────────────────────────────


def user_report(user: str, session: str) -> bytes:
    """UserRprt: the good answer to a LoginReq."""
    return _message("UserRprt", {}, [_HEADER, ("Usr", {"sessionId": session, "usrId": user})])


def error_response(text: str, code: str) -> bytes:
    """ErrResp: the bad answer to anything."""
    return _message("ErrResp", {}, [("Error", {"err": text, "errCode": code})])


def ack_response() -> bytes:
    """AckResp: taken."""
    return _message("AckResp", {}, [_HEADER])


def execution_report(number: int, cl_ord_id: str) -> bytes:
    """OrdrExeRprt: an order was filled, or (no id) something was traded."""
    attributes = {"exeId": str(number), "clOrdrId": cl_ord_id, "qty": "1000", "px": "5000"}
    return _message("OrdrExeRprt", {}, [("OrdrExe", {name: text for name, text in attributes.items() if text})])


def logout_report(user: str, reason: str, text: str) -> bytes:
    """LogoutRprt: the exchange has logged the user out."""
    attributes = {"usrId": user, "reason": reason, "text": text}
    return _message("LogoutRprt", {name: value for name, value in attributes.items() if value}, [])


def _request(name: str, attributes: Mapping[str, str], more: Iterable[tuple[str, Mapping[str, str]]] = ()) -> bytes:
    return _message(name, attributes, [_HEADER, *more])


def _message(name: str, attributes: Mapping[str, str], below: Iterable[tuple[str, Mapping[str, str]]]) -> bytes:
    root = ET.Element(name, {"xmlns": NAMESPACE, **attributes})
    for child, values in below:
        ET.SubElement(root, child, dict(values))
    text: bytes = ET.tostring(root, encoding="UTF-8", xml_declaration=True)
    return text


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]
