"""What can go wrong in the store. Every message says what, where and what to do, and never holds a secret."""


class StoreError(Exception):
    """Any refusal of the store. A caller that knows no better treats it as "no" (fail closed)."""


class Conflict(StoreError):  # noqa: N818 - the field's word
    """Somebody else was faster: nothing was changed; read again and decide again."""


class StoreUnavailable(StoreError):  # noqa: N818 - a state, not a mistake
    """The database did not answer in time or at all. Whether the change was made is not known."""


class NotFound(StoreError):  # noqa: N818 - the field's word
    """There is no such user, device or session."""


class AlreadyExists(StoreError):  # noqa: N818 - the field's word
    """The name is taken."""


class KeyRefused(StoreError):  # noqa: N818 - the key is refused, nothing failed
    """The master key is missing, malformed, readable by others, or not the one this store was made with."""


class SchemaMismatch(StoreError):  # noqa: N818 - a state, not a mistake
    """The database is newer than this program, older where migration was not allowed, or not ours."""


class BackupRefused(StoreError):  # noqa: N818 - reads as what it says
    """The back-up does not open, is not whole, or does not fit here. Nothing was written."""
