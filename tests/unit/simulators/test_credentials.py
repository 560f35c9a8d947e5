"""What an algorithm puts into its Logon, venue by venue."""

import base64
import time
from pathlib import Path

import pyotp
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from simulators.credentials import CodeSource, Layout

SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


def near_codes(totp: pyotp.TOTP, steps: int = 0) -> set[str]:
    """The code of this moment, and the one before in case the step has just ended."""
    now = time.time()
    return {totp.at(now, counter_offset=steps), totp.at(now, counter_offset=steps - 1)}


def test_a_code_is_the_authenticators_of_the_moment() -> None:
    assert CodeSource(SECRET).code() in near_codes(pyotp.TOTP(SECRET))


def test_a_stale_code_is_of_an_earlier_step() -> None:
    source = CodeSource(SECRET)

    source.steer("auto", -5)

    assert source.code() in near_codes(pyotp.TOTP(SECRET), -5)


@pytest.mark.parametrize(("value", "expected"), [("000000", "000000"), ("none", None)])
def test_a_code_can_be_fixed_or_left_out(value: str, expected: str | None) -> None:
    source = CodeSource(SECRET)

    source.steer(value, 0)

    assert source.code() == expected


def test_auto_ends_what_was_steered_before() -> None:
    source = CodeSource(SECRET, fixed="000000")

    source.steer("auto", 0)

    assert source.code() in near_codes(pyotp.TOTP(SECRET))


def test_a_frozen_code_is_one_of_the_moment_and_stays() -> None:
    source = CodeSource(SECRET)
    source.steer("freeze", 0)

    frozen = source.code()
    source.secret = "ORSXG5DJNZTW233JNZSXE33OMVZWK4TT"

    assert frozen == source.code()


def test_without_a_key_there_is_no_code() -> None:
    assert CodeSource("").code() is None


@pytest.mark.parametrize(
    ("layout", "expected"),
    [
        (Layout(), {553: "alice", 554: "pw", 20030: "123456"}),
        (Layout(code_tag=925), {553: "alice", 554: "pw", 925: "123456"}),
        (Layout(appended=True), {553: "alice", 554: "pw123456"}),
        (Layout(user_tag=50, password_tag=96), {50: "alice", 95: "2", 96: "pw", 20030: "123456"}),
    ],
    ids=["default", "other-tag", "appended", "cqg"],
)
@pytest.mark.req("CQ-7")
def test_each_layout_has_its_tags(layout: Layout, expected: dict[int, str]) -> None:
    assert layout.fields("alice", "pw", "123456") == expected


def test_a_length_counts_bytes() -> None:
    assert Layout(password_tag=96).fields("", "pä", None) == {95: "3", 96: "pä"}


@pytest.mark.parametrize(
    ("scheme", "method", "opened_with"),
    [
        ("oaep", "101", padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)),
        ("pkcs1", "1", padding.PKCS1v15()),
    ],
)
@pytest.mark.req("CQ-3")
def test_an_encrypted_password_opens_with_the_private_key(
    tmp_path: Path, scheme: str, method: str, opened_with: padding.AsymmetricPadding
) -> None:
    key = rsa.generate_private_key(65537, 2048)
    public = tmp_path / "public.pem"
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    public.write_bytes(key.public_key().public_bytes(serialization.Encoding.PEM, spki))

    fields = Layout(password_tag=1402, public_key=public, rsa_padding=scheme).fields("alice", "pw", None)

    assert key.decrypt(base64.b64decode(fields[1402]), opened_with) == b"pw"
    assert (fields[1400], fields[1401]) == (method, str(len(fields[1402])))


def test_secrets_are_not_in_a_repr() -> None:
    assert SECRET not in repr(CodeSource(SECRET))
