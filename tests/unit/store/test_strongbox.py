"""The encrypted stream: what was written comes back at every size, and nothing else opens."""

import io
import json

import pytest

from gateway.core.secret import Secret
from gateway.store import strongbox
from gateway.store.errors import BackupRefused
from gateway.store.strongbox import MAGIC, SealingWriter, opened

PASSPHRASE = Secret("a long enough passphrase")
pytestmark = pytest.mark.req("SF-22")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strongbox, "CHUNK", 16)
    monkeypatch.setattr(strongbox, "MEMORY", 64)


def sealed(content: bytes, piece: int = 7) -> bytes:
    out = io.BytesIO()
    writer = SealingWriter(out, PASSPHRASE)
    for at in range(0, len(content), piece):
        writer.write(content[at : at + piece])
    writer.close()
    return out.getvalue()


def opens(content: bytes, passphrase: Secret = PASSPHRASE) -> bytes:
    return b"".join(opened(io.BytesIO(content), passphrase))


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 31, 32, 33, 100])
@pytest.mark.parametrize("piece", [1, 16, 1000])
def test_what_was_written_comes_back(size: int, piece: int):
    content = bytes(range(size))

    assert opens(sealed(content, piece)) == content


def test_the_same_content_is_never_sealed_the_same_way():
    assert sealed(b"x" * 40)[-40:] != sealed(b"x" * 40)[-40:]


def test_one_changed_byte_anywhere_and_it_does_not_open():
    content = sealed(b"x" * 40)

    for at in range(len(content)):
        with pytest.raises(BackupRefused):
            opens(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])


def test_cut_anywhere_it_does_not_open():
    content = sealed(b"x" * 40)

    for end in range(len(content)):
        with pytest.raises(BackupRefused):
            opens(content[:end])


def test_a_cut_between_two_chunks_is_said_to_be_one():
    content = sealed(b"x" * 48)

    with pytest.raises(BackupRefused, match="cut short"):
        opens(content[:-32])


def test_a_byte_is_handed_out_only_after_its_chunk_was_proved():
    content = bytearray(sealed(b"a" * 16 + b"b" * 16))
    content[-1] ^= 1
    chunks = opened(io.BytesIO(bytes(content)), PASSPHRASE)

    assert next(chunks) == b"a" * 16
    with pytest.raises(BackupRefused):
        next(chunks)


def test_another_passphrase_does_not_open_it():
    with pytest.raises(BackupRefused, match="passphrase"):
        opens(sealed(b"x"), Secret("another passphrase"))


@pytest.mark.parametrize(("field", "value"), [("memory", 1 << 30), ("time", 1000), ("chunk", 1 << 40), ("lanes", 0)])
def test_a_header_may_not_ask_for_gigabytes(field: str, value: int):
    content = sealed(b"x")
    length = int.from_bytes(content[len(MAGIC) : len(MAGIC) + 4])
    header = json.loads(content[len(MAGIC) + 4 :][:length])
    text = json.dumps({**header, field: value}).encode()

    with pytest.raises(BackupRefused, match="header"):
        opens(MAGIC + len(text).to_bytes(4) + text + content[len(MAGIC) + 4 + length :])
