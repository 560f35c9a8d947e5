"""The key file and the codes made from it; no error shows what was in it."""

import base64

import pytest

from gateway.attach.key import KeyRefusedError, parse_key, read_key_file

RFC = b"12345678901234567890"
BASE32 = base64.b32encode(RFC).decode()


@pytest.mark.req("BY-10")
@pytest.mark.parametrize("text", [BASE32, BASE32.lower(), " ".join(BASE32[i : i + 4] for i in range(0, 32, 4)) + "\n"])
def test_base32_is_read_as_people_write_it(text):
    key = parse_key(text, "it")

    assert (key.code(1), key.period) == (b"287082", 30)  # RFC 6238 appendix B, second 59


@pytest.mark.req("BY-10")
def test_algorithm_digits_and_period_come_from_the_uri():
    secret = base64.b32encode(b"12345678901234567890123456789012").decode().rstrip("=")

    key = parse_key(f"otpauth://totp/Ex:me?secret={secret}&algorithm=SHA256&digits=8&period=60&issuer=Ex", "it")

    assert (key.code(1), key.period) == (b"46119246", 60)


@pytest.mark.req("BY-10")
@pytest.mark.parametrize(
    "text",
    [
        "",
        "not base32 !!",
        "GEZDGNBV",
        f"otpauth://hotp/me?secret={BASE32}&counter=1",
        f"otpauth://totp/me?secret={BASE32}&digits=7",
        f"otpauth://totp/me?secret={BASE32}&period=0",
        f"otpauth://totp/me?secret={BASE32}&period=CANARY",
        f"otpauth://totp/me?secret={BASE32}&algorithm=MD5",
        "otpauth://totp/me",
    ],
)
def test_a_key_that_is_of_no_use_is_refused_in_words_that_hold_nothing_of_it(text):
    with pytest.raises(KeyRefusedError) as refused:
        parse_key(text, "standard input")

    assert "standard input" in str(refused.value)
    assert not [word for word in (BASE32, "CANARY", "!!", "GEZDGNBV") if word in str(refused.value)]
    assert refused.value.__cause__ is None


def test_a_key_shows_nothing_of_itself():
    key = parse_key(BASE32, "it")

    assert BASE32 not in repr(key)
    assert RFC.decode() not in repr(key)


@pytest.mark.req("BY-10")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o777])
def test_a_file_that_others_may_use_is_refused(tmp_path, mode):
    file = tmp_path / "key"
    file.write_text(BASE32)
    file.chmod(mode)

    with pytest.raises(KeyRefusedError, match="chmod 600"):
        read_key_file(file)


def test_a_file_of_its_owner_alone_is_read(tmp_path):
    file = tmp_path / "key"
    file.write_text(BASE32 + "\n")
    file.chmod(0o400)

    assert read_key_file(file).code(1) == b"287082"


def test_what_is_no_readable_file_is_refused(tmp_path):
    large = tmp_path / "large"
    large.write_bytes(b"A" * 5000)
    large.chmod(0o600)
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00")
    binary.chmod(0o600)

    for path in (tmp_path / "none", tmp_path, large, binary):
        with pytest.raises(KeyRefusedError, match="key file"):
            read_key_file(path)


def test_a_code_of_these_minutes_is_recognised_as_made():
    key = parse_key(BASE32, "it")

    assert key.made(key.code(1), 59.0)
    assert not key.made(b"000000", 59.0)
