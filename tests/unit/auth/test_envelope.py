import base64

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.auth.envelope import Envelope, KeyUnusable, RsaPadding

PASSWORD = b"correct-Horse-7-battery"
OAEP = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)


@pytest.fixture(scope="module")
def key():
    return rsa.generate_private_key(65537, 2048)


def pem(key):
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


@pytest.fixture
def file(key, tmp_path):
    path = tmp_path / "password.pem"
    path.write_bytes(pem(key))
    return path


@pytest.mark.req("CQ-3")
@pytest.mark.parametrize("wrap", [bytes, base64.b64encode], ids=["raw", "base64"])
@pytest.mark.parametrize(
    ("scheme", "scheme_padding"),
    [(RsaPadding.OAEP, OAEP), (RsaPadding.PKCS1, padding.PKCS1v15())],
    ids=["oaep", "pkcs1"],
)
def test_a_password_encrypted_for_the_key_comes_back(key, file, scheme, scheme_padding, wrap):
    sealed = wrap(key.public_key().encrypt(PASSWORD, scheme_padding))
    assert Envelope.load(file, scheme).open(sealed) == PASSWORD


@pytest.mark.req("CQ-3")
def test_a_password_encrypted_for_another_key_is_none(file):
    other = rsa.generate_private_key(65537, 2048).public_key()
    assert Envelope.load(file).open(other.encrypt(PASSWORD, OAEP)) is None


@given(st.binary(max_size=600))
@settings(max_examples=50)
def test_hostile_bytes_are_none_and_never_raise(sealed):
    assert Envelope(_KEY, RsaPadding.OAEP).open(sealed) is None


_KEY = rsa.generate_private_key(65537, 2048)


@pytest.mark.parametrize(
    ("expected", "content"),
    [
        ("no unencrypted PEM", b"hello"),
        ("RSA key of 2048 bits", pem(ec.generate_private_key(ec.SECP256R1()))),
        ("RSA key of 2048 bits", pem(rsa.generate_private_key(65537, 1024))),
    ],
    ids=["no key", "an EC key", "a short key"],
)
def test_a_key_that_will_not_do_is_refused_with_its_file(tmp_path, expected, content):
    path = tmp_path / "key.pem"
    path.write_bytes(content)
    with pytest.raises(KeyUnusable, match=expected) as refused:
        Envelope.load(path)
    assert str(path) in str(refused.value)


def test_a_missing_key_file_says_which(tmp_path):
    with pytest.raises(KeyUnusable, match=r"nowhere\.pem"):
        Envelope.load(tmp_path / "nowhere.pem")
