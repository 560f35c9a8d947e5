"""Where venues keep user, password and code, with QuickFIX on both sides, and what the exchange gets of them (CQ-3, CQ-7)."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.blackbox.fix_peers import guarded
from tests.blackbox.floor import Floor
from tests.blackbox.gated import SAME_CODE_AGAIN, config, gateway_of
from tests.blackbox.ledger import closed
from tests.blackbox.people import PASSWORD, People
from tests.blackbox.toy_peers import ToyFixInitiator
from tests.blackbox.toy_session import ToySession

SESSION = {"8", "9", "10", "34", "35", "49", "52", "56", "98", "108", "1137"}


@pytest.mark.req("CQ-7", "M7-1")
@pytest.mark.parametrize("version", ["FIX.4.2", "FIX.4.4", "FIX.5.0SP2"])
async def test_cqg(floor: Floor, people: People, version: str) -> None:
    begin = ("--begin-string", version)
    engine = await floor.engine(*begin)
    policy = SAME_CODE_AGAIN + 'sessions.idle = "9 min"\n'
    gateway = await gateway_of(floor, people, config(engine.port, policy=policy, listener='venue = "cqg"'))
    algo = await floor.algo(gateway.port, *begin, "--cqg", wait=True, **people.trader.algo())

    await algo.code("none")
    await algo.ask("logon")
    refusal = await algo.until("logout")
    await algo.code("auto")
    await algo.until("logon")

    logon = (await engine.until("logon-received"))["fields"]
    answer = (await algo.until("logon-received"))["fields"]
    assert logon.keys() - SESSION == {"50", "95", "96"}
    assert answer["20190"] == "9"
    assert "Login refused" in refusal["text"]
    assert not {people.trader.name, PASSWORD} & set(answer.values())
    assert (await closed(algo, engine)).in_order


@pytest.mark.req("M7-1", "TW-10")
async def test_the_code_behind_the_password(floor: Floor, people: People) -> None:
    async with guarded(floor.folder / "gateway", people, listener='venue = "appended"') as place:
        who = people.trader
        session = ToySession(who.sender, "EXCHANGE")
        async with ToyFixInitiator(place.gateway.port, session) as client:
            assert await client.logon([(553, who.name), (554, PASSWORD)]) == "5"
            assert await client.logon([(553, who.name), (554, PASSWORD + who.wrong_code())]) == "5"

            assert await client.logon([(553, who.name), (554, PASSWORD + who.code())]) == "A"

        assert next(message for message in place.engine.messages if message.type == "A")[554] == PASSWORD


@pytest.mark.req("CQ-3")
@pytest.mark.parametrize("padding", ["oaep", "pkcs1"])
async def test_an_encrypted_password_is_checked_and_never_passed_on(
    floor: Floor, people: People, tmp_path: Path, padding: str
) -> None:
    key = rsa.generate_private_key(65537, 2048)
    pem = serialization.Encoding.PEM
    private, public = tmp_path / "private.pem", tmp_path / "public.pem"
    private.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())  # a test's key
    )
    public.write_bytes(key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo))
    engine = await floor.engine()
    listener = 'venue = "encrypted"\npassword_key = "venue"'
    key_of_venue = f'[[password_key]]\nname = "venue"\npem = "{private}"\npadding = "{padding}"\n'
    gateway = await gateway_of(floor, people, config(engine.port, listener=listener, more=key_of_venue))
    encrypted = ("--password-tag", "1402", "--public-key", str(public), "--rsa-padding", padding)
    right = people.trader.algo()
    algo = await floor.algo(gateway.port, *encrypted, **{**right, "password": "wrong-Horse-7-battery"})

    await gateway.until(event="login", reason="bad_password")
    await algo.ask("credentials", password=PASSWORD)
    await algo.until("logon")

    logon = (await engine.until("logon-received"))["fields"]
    assert logon.keys() - SESSION == {"553"}
    assert (await closed(algo, engine)).in_order


@pytest.mark.req("CQ-7", "TW-12")
async def test_the_user_is_the_sender(floor: Floor, people: People, tmp_path: Path) -> None:
    venue = tmp_path / "sender.toml"
    venue.write_text('name = "sender"\nuser_tag = 49\nforward_password = false\n')
    async with guarded(floor.folder / "gateway", people, listener=f'venue = "{venue}"') as place:
        who = people.trader
        place.engine.session.target = who.name
        session = ToySession(who.name, "EXCHANGE")
        async with ToyFixInitiator(place.gateway.port, session) as client:
            assert await client.logon([(554, PASSWORD), (20030, who.wrong_code())]) == "5"
            assert await client.logon([(554, PASSWORD), (20030, who.code())]) == "A"

        logon = next(message for message in place.engine.messages if message.type == "A")
        assert (logon[49], logon.get(554), logon.get(20030)) == (who.name, "", "")


@pytest.mark.req("BY-1")
async def test_session_status_goes_with_a_refusal_on_fixt_only(floor: Floor, people: People) -> None:
    """On FIX.4.x QuickFIX rejects it, hides the text and hangs (see test_continuity_matrix, which reads no status)."""
    engine = await floor.engine("--begin-string", "FIX.5.0SP2")
    gateway = await gateway_of(floor, people, config(engine.port))
    algo = await floor.algo(gateway.port, "--begin-string", "FIX.5.0SP2", wait=True, **people.trader.algo())

    await algo.code(people.trader.wrong_code())
    await algo.ask("logon")
    refusal = await algo.until("logout")

    assert (refusal["session_status"], refusal["text"][:13]) == ("5", "Login refused")
