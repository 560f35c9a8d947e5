"""Reads XML that strangers send: no DTD, no entities, no network, libxml2's own limits on depth and size.

Must not know any message; what a document may say is its reader's business.
"""

from typing import Final

from lxml import etree

_PARSER: Final = etree.XMLParser(
    resolve_entities=False,
    no_network=True,
    load_dtd=False,
    dtd_validation=False,
    huge_tree=False,
    remove_comments=True,
    remove_pis=True,
)


class NotXmlError(ValueError):
    """The bytes are no document that is read here; `line` is where, counted from 1."""

    def __init__(self, line: int) -> None:
        super().__init__("is no well-formed XML without a DOCTYPE")
        self.line = line


def document(data: bytes) -> etree._Element:
    """Return the root of a well-formed document without a DOCTYPE (XML 1.0 §2.8). Raises NotXmlError and nothing else."""
    try:
        root = etree.fromstring(data, _PARSER)
    except (etree.XMLSyntaxError, ValueError, LookupError) as error:
        raise NotXmlError(getattr(error, "lineno", None) or 1) from None
    if root is None or root.getroottree().docinfo.internalDTD is not None:
        raise NotXmlError(1)
    return root
