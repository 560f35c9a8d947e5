import base64
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.auth.authority import LocalAuthority
from gateway.auth.envelope import Envelope, Envelopes, KeyAway, KeyUnusable, PemKey, RsaPadding, padding_of
from gateway.auth.turns import Turns
from gateway.core.login import Admitted, Sealed
from gateway.core.reason import Reason
from gateway.core.secret import Secret
from gateway.store.ports import Actor
from tests.unit.auth.rig import NOW, PASSWORD, PATIENCE, attempt_at, code_at

BY = Actor("test", NOW)

WORD = b"correct-Horse-7-battery"
OAEP = padding_of(RsaPadding.OAEP)


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


@pytest.fixture
def envelope(key):
    envelope = Envelope(PemKey(key, RsaPadding.OAEP))
    yield envelope
    envelope.close()


@pytest.mark.req("CQ-3")
@pytest.mark.parametrize("wrap", [bytes, base64.b64encode], ids=["raw", "base64"])
@pytest.mark.parametrize(
    ("scheme", "theirs"),
    [
        (RsaPadding.OAEP, padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)),
        (RsaPadding.OAEP_SHA1, padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)),
        (RsaPadding.PKCS1, padding.PKCS1v15()),
    ],
    ids=["oaep", "oaep-sha1", "pkcs1"],
)
async def test_a_password_encrypted_for_the_key_comes_back(key, file, scheme, theirs, wrap):
    envelope = Envelope(PemKey.load(file, scheme))
    sealed = wrap(key.public_key().encrypt(WORD, theirs))
    assert (await envelope.open(sealed)).reveal() == WORD
    envelope.close()


@pytest.mark.req("CQ-3")
async def test_what_was_encrypted_for_another_key_holds_a_password_that_nobody_has_and_the_same_each_time(envelope):
    other = rsa.generate_private_key(65537, 2048).public_key()
    one, two = other.encrypt(WORD, OAEP), other.encrypt(WORD, OAEP)
    found = [(await envelope.open(sealed)).reveal() for sealed in (one, one, two)]
    assert WORD not in found
    assert found[0] == found[1] != found[2]


@given(st.binary(max_size=600).filter(lambda sealed: len(sealed) not in (256, 344)))
@settings(max_examples=50)
async def test_what_has_not_the_size_of_the_key_is_none_and_never_raises(sealed):
    envelope = Envelope(_KEY)
    assert await envelope.open(sealed) is None
    envelope.close()


_KEY = PemKey(rsa.generate_private_key(65537, 2048), RsaPadding.OAEP)


@pytest.mark.parametrize(
    ("inside", "digits", "expected"),
    [
        (b"secret123456", 0, (b"secret123456", None)),
        (b"secret123456", 6, (b"secret", b"123456")),
        (b"secret", 6, (b"secret", None)),
        (b"12345", 6, (b"12345", None)),
    ],
)
async def test_the_code_is_the_last_digits_of_what_is_inside(key, envelope, inside, digits, expected):
    sealed = Sealed("venue", Secret(key.public_key().encrypt(inside, OAEP)), digits)
    password, code = await Envelopes({"venue": envelope}).open(sealed)
    assert (password.reveal(), code and code.reveal()) == expected


async def test_a_key_that_nobody_named_opens_nothing():
    with pytest.raises(KeyAway, match="'other'"):
        await Envelopes().open(Sealed("other", Secret(b"x")))


# ── a login with one ──


def sealed_login(rig, data: bytes, key: str = "venue", digits: int = 0, code: str | None = None):
    attempt = attempt_at(rig.clock.now, password=None, code=code)
    return replace(attempt, login=replace(attempt.login, sealed=Sealed(key, Secret(data), digits)))


@pytest.fixture
async def sealing(rig, envelope):
    """A rig whose authority has the key `venue`."""
    rig.parts = replace(rig.parts, envelopes=Envelopes({"venue": envelope}))
    rig.authority = LocalAuthority(rig.parts, rig.store.audit, turns=Turns(patience=PATIENCE))
    return rig


@pytest.mark.req("CQ-3", "SF-12")
async def test_the_authority_opens_the_password_and_judges_it(key, sealing):
    right = key.public_key().encrypt(PASSWORD.encode(), OAEP)
    assert isinstance(await sealing.authority.verify(sealed_login(sealing, right)), Admitted)


@pytest.mark.req("CQ-3", "M7-1")
async def test_the_authority_finds_the_code_behind_the_password_inside(key, sealing):
    both = key.public_key().encrypt((PASSWORD + code_at(sealing.clock.now.wall)).encode(), OAEP)
    assert isinstance(await sealing.authority.verify(sealed_login(sealing, both, digits=6, code="")), Admitted)


@pytest.mark.req("CQ-3", "BY-3")
async def test_a_wrong_one_counts_once_however_often_it_is_encrypted_anew(key, sealing):
    for _ in range(3):
        wrong = key.public_key().encrypt(b"wrong", OAEP)
        await sealing.authority.verify(sealed_login(sealing, wrong, code="000000"))
        sealing.clock.move(5)
    assert await sealing.failures() == 1


@pytest.mark.req("CQ-3")
async def test_bytes_that_cannot_be_opened_are_a_wrong_password(sealing):
    verdict = await sealing.authority.verify(sealed_login(sealing, b"x" * 256))
    assert (verdict.reason, await sealing.failures()) == (Reason.BAD_PASSWORD, 1)


async def test_a_key_that_is_away_charges_nobody(sealing):
    verdict = await sealing.authority.verify(sealed_login(sealing, b"x" * 256, key="lost"))
    assert (verdict.reason, await sealing.failures()) == (Reason.UNAVAILABLE, 0)
    assert [type(error) for _, error in sealing.ears.failures] == [KeyAway]


async def test_who_is_locked_out_costs_no_decryption(sealing):
    alice = await sealing.store.users.show("alice")
    await sealing.store.users.change(replace(alice.user, enabled=False), alice.revision, BY)
    verdict = await sealing.authority.verify(sealed_login(sealing, b"x" * 256, key="lost"))
    assert verdict.reason is Reason.DISABLED


@pytest.mark.req("TW-10")
async def test_nothing_of_it_is_shown_to_whoever_is_told_of_the_decision(sealing):
    await sealing.authority.verify(sealed_login(sealing, b"x" * 256))
    ((attempt, *_),) = sealing.ears.decisions
    assert attempt.login.sealed is None


# ── files ──


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
        PemKey.load(path)
    assert str(path) in str(refused.value)


def test_a_missing_key_file_says_which(tmp_path):
    with pytest.raises(KeyUnusable, match=r"nowhere\.pem"):
        PemKey.load(tmp_path / "nowhere.pem")
