"""Errors of our own whose text is meant for the operator's log."""


class Told(Exception):  # noqa: N818 - what may be done with it
    """Something is away or wrong that an operator can mend. Invariant: its text holds no secret and no library's words."""
