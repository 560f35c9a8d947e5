"""Whose certificates are believed: the system's authorities, or those of a file instead."""

import ssl
from pathlib import Path


def trusting(ca: Path | None) -> ssl.SSLContext:
    """Return the terms of a connection: TLS 1.2 or newer, certificate and name checked (SF-17). Raises OSError."""
    context = ssl.create_default_context(cafile=ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
