"""FIX messages for tests, written and read without the gateway's codec, so that a bug there can't cancel itself here."""

import time

SOH = "\x01"
SENDING = 1_780_000_000.0


def stamp(seconds: float = SENDING) -> str:
    return time.strftime("%Y%m%d-%H:%M:%S", time.gmtime(seconds)) + ".000"


def fix(*fields, begin="FIX.4.4", length=None, checksum=None) -> bytes:
    """Build a message from (tag, value) pairs, MsgType first; `length` and `checksum` replace the right ones."""
    body = b"".join(str(tag).encode() + b"=" + _bytes(value) + b"\x01" for tag, value in fields)
    size = str(len(body)) if length is None else str(length)
    head = f"8={begin}\x019={size}\x01".encode() + body
    total = checksum if checksum is not None else 0
    if checksum is None:
        for byte in head:
            total = (total + byte) % 256
    return head + f"10={total:03d}\x01".encode()


def message(kind, number, *fields, sender="CLIENT", target="EXCH", begin="FIX.4.4", dup=False, **wrong) -> bytes:
    head = [(35, kind), (49, sender), (56, target), (34, number), (52, stamp())]
    if dup:
        head += [(43, "Y"), (122, stamp())]
    return fix(*head, *fields, begin=begin, **wrong)


def logon(number=1, *fields, user="alice", password="pw", code="123456", **how) -> bytes:
    given = [(98, 0), (108, 30)]
    if user is not None:
        given.append((553, user))
    if password is not None:
        given.append((554, password))
    if code is not None:
        given.append((20030, code))
    return message("A", number, *given, *fields, **how)


def from_engine(kind, number, *fields, **how) -> bytes:
    return message(kind, number, *fields, sender="EXCH", target="CLIENT", **how)


def read(data: bytes) -> dict[int, str]:
    """Read a message without data fields; the last of a repeated tag counts."""
    return {int(tag): value for tag, value in (part.split("=", 1) for part in data.decode("latin-1").split(SOH)[:-1])}


def split(data: bytes) -> list[bytes]:
    """Cut a stream of whole messages by their BodyLength, and check every CheckSum."""
    messages = []
    while data:
        begin_end = data.index(b"\x01")
        length_end = data.index(b"\x01", begin_end + 1)
        end = length_end + 1 + int(data[begin_end + 3 : length_end]) + 7
        one = data[:end]
        assert one[-7:-4] == b"10=", one
        assert int(one[-4:-1]) == sum(one[:-7]) % 256, one
        messages.append(one)
        data = data[end:]
    return messages


def _bytes(value) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()
