"""A value that must never be shown: passwords, one-time codes, keys."""

from typing import final


@final
class Secret:
    """Holds bytes that no repr, str, format, log, error, pickle or comparison by `==` gives away.

    Invariant: the only way to the bytes is `reveal()`, so that `grep reveal` lists every use.
    """

    __slots__ = ("_value",)

    def __init__(self, value: bytes | str) -> None:
        self._value = value.encode() if isinstance(value, str) else bytes(value)

    def reveal(self) -> bytes:
        """Return the bytes; keep them in a local variable, never in an attribute, a log or an error."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __format__(self, _spec: str) -> str:
        return repr(self)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __reduce__(self) -> str:
        raise TypeError("a Secret is never serialised")
