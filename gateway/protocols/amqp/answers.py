"""The messages that the gateway writes itself, in the venue's own words: a refusal, a logout request, a logout report.

Must not decide anything. Nothing here raises, whatever the user's name holds: what XML can't carry becomes "?".
A message for which the venue has no name is b"".
"""

import re
from collections.abc import Mapping
from typing import Final, cast

from lxml import etree

from gateway.core.reason import Reason
from gateway.protocols.amqp.venue import Venue

_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def refusal(venue: Venue, text: str) -> bytes:
    """Return the venue's "no" (M7: ErrResp) with the words that the client may read."""
    root = _root(venue, venue.refused)
    words = venue.refusal_text.replace("{text}", text)
    _child(root, venue.error, {venue.error_text_attribute: words, venue.error_code_attribute: venue.refusal_code})
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True)


def logout_request(venue: Venue, user: str, session: str) -> bytes:
    """Return the request that ends the user's session (M7: LogoutReq). `session` "": it is not known (yet)."""
    if not venue.logout:
        return b""
    root = _root(venue, venue.logout)
    if venue.header:
        _child(root, venue.header, venue.header_attributes)
    _set(root, {venue.logout_user_attribute: user, venue.logout_session_attribute: session})
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True)


def logout_report(venue: Venue, user: str, reason: Reason, text: str) -> bytes:
    """Return the report that the user was logged out (M7: LogoutRprt). The venue's word for a reason it lists, else its "other"."""
    if not venue.logged_out:
        return b""
    root = _root(venue, venue.logged_out)
    word = venue.logged_out_reasons.get(reason.key) or venue.logged_out_reasons.get("other", "")
    values = {
        venue.logged_out_user_attribute: user,
        venue.logged_out_reason_attribute: word,
        venue.logged_out_text_attribute: text,
    }
    _set(root, values)
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True)


def _root(venue: Venue, name: str) -> etree._Element:
    tag = f"{{{venue.namespace}}}{name}" if venue.namespace else name
    return etree.Element(tag, nsmap=cast("dict[str, str]", {None: venue.namespace}) if venue.namespace else None)


def _child(root: etree._Element, name: str, values: Mapping[str, str]) -> None:
    tag = etree.QName(root).namespace
    _set(etree.SubElement(root, f"{{{tag}}}{name}" if tag else name), values)


def _set(element: etree._Element, values: Mapping[str, str]) -> None:
    """Set the attributes that the venue has a name for and that have a value."""
    for name, value in values.items():
        if name and value:
            element.set(name, _NOT_XML.sub("?", value))
