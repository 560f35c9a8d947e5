"""Keys: where they come from, what they open, and that nothing else opens it."""

import base64
import secrets
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.secret import Secret
from gateway.store.errors import KeyRefused
from gateway.store.vault import (
    MasterKey,
    Sealed,
    Vault,
    create_master_key,
    key_check,
    load_master_key,
    parse_master_key,
    seal_data_key,
)

KEY = bytes(range(200, 232))
pytestmark = pytest.mark.req("TW-11")


def same(one: MasterKey, other: MasterKey) -> bool:
    return one.derive("x") == other.derive("x")


def vault(master: MasterKey | None = None, store_id: str = "store-1") -> Vault:
    master = master or MasterKey(Secret(KEY))
    return Vault(master, store_id, {"k1": seal_data_key(master, store_id, "k1", Secret(b"d" * 32))}, "k1")


@given(st.binary(min_size=32, max_size=32).filter(lambda raw: not raw.isascii()))
def test_a_master_key_is_read_raw_in_hex_and_in_base64(raw: bytes):
    wanted = MasterKey(Secret(raw))
    spellings = [
        raw, raw.hex(), raw.hex().upper() + "\n", base64.b64encode(raw), base64.urlsafe_b64encode(raw).rstrip(b"="),
        b"  " + base64.b64encode(raw) + b"\r\n",
    ]  # fmt: skip

    assert all(same(wanted, parse_master_key(spelling, "test")) for spelling in spellings)


@pytest.mark.parametrize(
    "bad", ["", "x", "correct horse battery staple 123", "a" * 32, "0" * 62, "zz" * 32, b"\xff" * 31, b"\xff" * 33]
)
def test_what_is_no_key_is_refused_without_being_shown(bad: str | bytes):
    with pytest.raises(KeyRefused, match="GATEWAY_KEY") as raised:
        parse_master_key(bad, "GATEWAY_KEY")

    assert not bad or len(bad) < 4 or str(bad) not in str(raised.value)


def test_a_new_master_key_is_its_owners_alone_and_reads_back(tmp_path: Path):
    made = create_master_key(tmp_path / "master.key")

    assert (tmp_path / "master.key").stat().st_mode & 0o777 == 0o600
    assert same(made, load_master_key(tmp_path / "master.key"))


def test_an_existing_master_key_is_never_overwritten(tmp_path: Path):
    made = create_master_key(tmp_path / "master.key")

    with pytest.raises(KeyRefused, match="exists"):
        create_master_key(tmp_path / "master.key")

    assert same(made, load_master_key(tmp_path / "master.key"))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_master_key_others_may_read_is_refused(tmp_path: Path, mode: int):
    create_master_key(tmp_path / "master.key")
    (tmp_path / "master.key").chmod(mode)

    with pytest.raises(KeyRefused, match="chmod 600"):
        load_master_key(tmp_path / "master.key")


def test_a_missing_master_key_is_refused(tmp_path: Path):
    with pytest.raises(KeyRefused, match="No such file"):
        load_master_key(tmp_path / "master.key")


@given(st.binary(min_size=1, max_size=128))
def test_what_was_sealed_opens_for_its_own_device_and_user(key: bytes):
    keeper = vault()
    sealed = keeper.seal(Secret(key), "device", "user")

    assert keeper.unseal(sealed, "device", "user").reveal() == key
    assert key not in sealed.blob or len(key) < 4


@pytest.mark.parametrize(
    ("device", "user"), [("other", "user"), ("device", "other"), ("user", "device"), ("deviceuser", "")]
)
def test_it_opens_for_no_other(device: str, user: str):
    keeper = vault()
    sealed = keeper.seal(Secret(b"key"), "device", "user")

    with pytest.raises(KeyRefused):
        keeper.unseal(sealed, device, user)


@given(st.integers(min_value=0), st.integers(min_value=1, max_value=255))
def test_one_changed_byte_anywhere_and_it_does_not_open(position: int, change: int):
    keeper = vault()
    sealed = keeper.seal(Secret(b"12345678901234567890"), "device", "user")
    blob = bytearray(sealed.blob)
    blob[position % len(blob)] ^= change

    with pytest.raises(KeyRefused):
        keeper.unseal(Sealed("k1", bytes(blob)), "device", "user")


@pytest.mark.parametrize("length", [0, 1, 11, 12, 13, 27])
def test_a_cut_key_does_not_open(length: int):
    keeper = vault()
    sealed = keeper.seal(Secret(b"12345678901234567890"), "device", "user")

    with pytest.raises(KeyRefused):
        keeper.unseal(Sealed("k1", sealed.blob[:length]), "device", "user")


def test_a_key_sealed_in_another_store_does_not_open():
    sealed = vault(store_id="store-1").seal(Secret(b"key"), "device", "user")

    with pytest.raises(KeyRefused):
        vault(store_id="store-2").unseal(sealed, "device", "user")


def test_a_data_key_the_store_does_not_have_is_refused_by_name():
    with pytest.raises(KeyRefused, match="k9"):
        vault().unseal(Sealed("k9", b"x" * 40), "device", "user")


def test_another_master_key_opens_no_data_key():
    blob = seal_data_key(MasterKey(Secret(KEY)), "store-1", "k1", Secret(b"d" * 32))

    with pytest.raises(KeyRefused):
        Vault(MasterKey(Secret(secrets.token_bytes(32))), "store-1", {"k1": blob}, "k1")


def test_every_purpose_has_a_key_of_its_own():
    master = MasterKey(Secret(KEY))
    keys = {master.derive("a"), master.derive("b"), master.derive("a", "x"), bytes.fromhex(key_check(master, "x")), KEY}

    assert len(keys) == 5


@pytest.mark.req("BY-3")
def test_digests_tell_the_same_credentials_from_others_wherever_they_are_split():
    keeper = vault()
    digests = {keeper.credential_digest(*parts) for parts in [(b"ab", b"c"), (b"a", b"bc"), (b"abc",), (b"abc", b"")]}

    assert len(digests) == 4
    assert keeper.credential_digest(b"ab", b"c") == vault().credential_digest(b"ab", b"c")
    assert vault(store_id="store-2").credential_digest(b"abc") not in digests


@pytest.mark.req("TW-10")
def test_no_repr_shows_a_key():
    keeper = vault()
    sealed = keeper.seal(Secret(b"12345678901234567890"), "device", "user")

    assert "1234567890" not in repr((keeper, sealed, keeper.chain_key, MasterKey(Secret(KEY))))
    assert sealed.blob.hex() not in repr(sealed)
