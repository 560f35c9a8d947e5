"""OATH PSKC: RFC 6030's own examples (figures 6 and 7, as time-based ones), and files that are none."""

import base64
import hmac
import os

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from gateway.auth.intake.pskc import read_pskc
from gateway.auth.intake.pskccrypto import PskcKey
from gateway.core.secret import Secret
from gateway.policy.snapshot import Device
from tests.unit.auth.intake.test_rows import same

RFC_KEY = Secret(b"12345678901234567890")
PRESHARED = PskcKey(preshared=Secret(bytes.fromhex("12345678901234567890123456789012")))
PASSWORD = PskcKey(password=Secret("qwerty"))
SPACES = (
    'xmlns="urn:ietf:params:xml:ns:keyprov:pskc" xmlns:ds="http://www.w3.org/2000/09/xmldsig#" '
    'xmlns:xenc="http://www.w3.org/2001/04/xmlenc#" xmlns:xenc11="http://www.w3.org/2009/xmlenc11#" '
    'xmlns:pkcs5="http://www.rsasecurity.com/rsalabs/pkcs/schemas/pkcs-5v2-0#"'
)
AES128 = "http://www.w3.org/2001/04/xmlenc#aes128-cbc"
SHA1 = "http://www.w3.org/2000/09/xmldsig#hmac-sha1"
NAMED = "<EncryptionKey><ds:KeyName>Pre-shared-key</ds:KeyName></EncryptionKey>"
DERIVED = """<EncryptionKey><xenc11:DerivedKey><xenc11:KeyDerivationMethod
 Algorithm="http://www.rsasecurity.com/rsalabs/pkcs/schemas/pkcs-5v2-0#pbkdf2"><pkcs5:PBKDF2-params>
 <Salt><Specified>Ej7/PEpyEpw=</Specified></Salt><IterationCount>1000</IterationCount><KeyLength>16</KeyLength><PRF/>
 </pkcs5:PBKDF2-params></xenc11:KeyDerivationMethod></xenc11:DerivedKey></EncryptionKey>"""


def sealed(value: str, method: str = AES128) -> str:
    return (
        f'<xenc:EncryptionMethod Algorithm="{method}"/>'
        f"<xenc:CipherData><xenc:CipherValue>{value}</xenc:CipherValue></xenc:CipherData>"
    )


def mac_method(key: str, algorithm: str = SHA1, method: str = AES128) -> str:
    return f'<MACMethod Algorithm="{algorithm}"><MACKey>{sealed(key, method)}</MACKey></MACMethod>'


def secret(value: str, mac: str, method: str = AES128) -> str:
    return f"<EncryptedValue>{sealed(value, method)}</EncryptedValue><ValueMAC>{mac}</ValueMAC>"


def plain(key: bytes = b"12345678901234567890") -> str:
    return f"<PlainValue>{base64.b64encode(key).decode()}</PlainValue>"


def package(
    inner: str, *, user: str = "<UserId>CN=tom,O=ACME</UserId>", more: str = "", parameters: str | None = None
) -> str:
    shape = parameters if parameters is not None else '<ResponseFormat Length="8" Encoding="DECIMAL"/>'
    return (
        "<KeyPackage><DeviceInfo><SerialNo>987654321</SerialNo></DeviceInfo>"
        f'<Key Id="1" Algorithm="urn:ietf:params:xml:ns:keyprov:pskc:totp"><AlgorithmParameters>{shape}</AlgorithmParameters>'
        f"<Data><Secret>{inner}</Secret>{more}</Data>{user}</Key></KeyPackage>"
    )


def container(*parts: str) -> bytes:
    return f'<?xml version="1.0"?>\n<KeyContainer Version="1.0" {SPACES}>\n{"".join(parts)}</KeyContainer>'.encode()


FIGURE_6 = container(
    NAMED, mac_method("ESIzRFVmd4iZABEiM0RVZgKn6WjLaTC1sbeBMSvIhRejN9vJa2BOlSaMrR7I5wSX"),
    package(secret("AAECAwQFBgcICQoLDA0OD+cIHItlB3Wra1DUpxVvOx2lef1VmNPCMl8jwZqIUqGv", "Su+NvtQfmvfJzF6bmQiJqoLRExc=")),
)  # fmt: skip
FIGURE_7 = container(
    DERIVED, mac_method("2GTTnLwM3I4e5IO5FkufoOEiOhNj91fhKRQBtBJYluUDsPOLTfUvoU2dStyOwYZx"),
    package(secret("oTvo+S22nsmS2Z/RtcoF8Hfh+jzMe0RkiafpoDpnoZTjPYZu6V+A4aEn032yCr4f", "LP6xMvjtypbfT9PdkJhBZ+D6O4w=\n")),
)  # fmt: skip


@pytest.mark.req("HK-8")
@pytest.mark.parametrize(
    ("data", "key"),
    [(FIGURE_6, PRESHARED), (FIGURE_7, PASSWORD), (container(package(plain())), None)],
    ids=["pre-shared", "password", "plain"],
)
def test_a_key_comes_out_as_it_went_in(data: bytes, key: PskcKey | None):
    found = read_pskc(data, key)
    assert found.faults == ()
    (one,) = found.candidates
    assert (one.user.name, one.label) == ("tom", "987654321")
    assert same(one.device, Device("", RFC_KEY, digits=8))


@pytest.mark.req("HK-8")
@pytest.mark.parametrize(("size", "digest"), [(16, "sha256"), (24, "sha384"), (32, "sha512")])
def test_other_ciphers_and_macs_are_opened_too(size: int, digest: str):
    key, mac_key = os.urandom(size), os.urandom(32)

    def encrypted(value: bytes) -> bytes:
        iv, fill = os.urandom(16), 16 - len(value) % 16
        sealing = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
        padded = value + os.urandom(fill - 1) + bytes([fill])  # XML Encryption's padding is random but for its length
        return iv + sealing.update(padded) + sealing.finalize()

    value, method = encrypted(b"k" * 32), f"http://www.w3.org/2001/04/xmlenc#aes{size * 8}-cbc"
    mac = base64.b64encode(hmac.digest(mac_key, value, digest)).decode()
    data = container(
        NAMED,
        mac_method(
            base64.b64encode(encrypted(mac_key)).decode(),
            f"http://www.w3.org/2001/04/xmldsig-more#hmac-{digest}",
            method,
        ),
        package(secret(base64.b64encode(value).decode(), mac, method)),
    )
    (one,) = read_pskc(data, PskcKey(preshared=Secret(key))).candidates
    assert one.device
    assert one.device.key.reveal() == b"k" * 32


@pytest.mark.req("HK-8")
def test_interval_hash_and_length_are_taken_over():
    more = "<TimeInterval><PlainValue>60</PlainValue></TimeInterval><Time><PlainValue>0</PlainValue></Time>"
    parameters = '<Suite>HMAC-SHA256</Suite><ResponseFormat Length="6" Encoding="DECIMAL"/>'
    (one,) = read_pskc(container(package(plain(b"k" * 32), more=more, parameters=parameters))).candidates
    assert same(one.device, Device("", Secret(b"k" * 32), "SHA256", 6, 60))


@pytest.mark.req("TW-10")
@pytest.mark.parametrize(
    ("data", "key", "word"),
    [
        (FIGURE_6, None, "password or key is needed"),
        (FIGURE_6, PASSWORD, "pre-shared key"),
        (FIGURE_7, PRESHARED, "under a password"),
        (FIGURE_7, PskcKey(password=Secret("wrong")), "right one|base64|MAC"),
        (FIGURE_6, PskcKey(preshared=Secret(b"x" * 32)), "needs a key of 16"),
        (FIGURE_6.replace(b"Su+N", b"Su+M"), PRESHARED, "MAC is wrong"),
        (FIGURE_6.replace(b"AAEC", b"AAED"), PRESHARED, "MAC is wrong"),
        (FIGURE_6.replace(b"hmac-sha1", b"hmac-md5"), PRESHARED, "no MAC"),
        (FIGURE_6.replace(b"aes128-cbc", b"tripledes-cbc"), PRESHARED, "other than AES"),
        (FIGURE_7.replace(b">1000<", b">999999999999<"), PASSWORD, "not described|rounds"),
        (FIGURE_7.replace(b">1000<", b">99999999<"), PASSWORD, "rounds"),
    ],
)
def test_what_does_not_open_says_why_and_shows_nothing(data: bytes, key: PskcKey | None, word: str):
    found = read_pskc(data, key)
    assert found.candidates == ()
    assert any(part in found.faults[0].text for part in word.split("|"))
    assert "12345678901234567890" not in repr(found)


@pytest.mark.req("HK-8")
def test_each_package_has_its_own_line_and_fault():
    good, bad = package(plain()), package(plain()).replace(":totp", ":hotp")
    found = read_pskc(
        container(good, "\n", bad, "\n", package("<PlainValue>*</PlainValue>"), "\n", package(plain(), user=""))
    )
    assert [fault.line for fault in found.faults] == [4, 5, 6]
    assert [one.line for one in found.candidates] == [3]


@pytest.mark.parametrize(
    "data",
    [
        b"", b"<", b"\0", b"<KeyContainer/>", b"not xml", container(), b"<?xml version='1.0' encoding='x'?><a/>",
        b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>' + container(package(plain()))[22:],
        b'<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><KeyContainer>&b;</KeyContainer>',
        container("<KeyPackage/>"), container(package("")), container(package(plain(b"short"))),
        container(package(plain(), parameters='<ResponseFormat Length="9999" Encoding="DECIMAL"/>')),
        container(package(plain(), parameters='<ResponseFormat Length="6" Encoding="HEXADECIMAL"/>')),
        container(package(plain(), more="<Time><PlainValue>5</PlainValue></Time>")),
    ],
)  # fmt: skip
def test_a_file_that_is_none_is_a_fault_and_never_an_error(data: bytes):
    found = read_pskc(data)
    assert (found.candidates, len(found.faults)) == ((), 1)
