"""The compliance report over real stores: what it counts, what it says, and what it finds (BY-9)."""

from dataclasses import replace
from itertools import product

import pytest
import sqlalchemy as sa

from gateway.compliance.facts import Facts
from gateway.compliance.html import as_html
from gateway.compliance.lifetimes import assess
from gateway.compliance.report import Report, Verdict, build
from gateway.compliance.rows import Catalogue, read
from gateway.compliance.survey import Survey, server, survey
from gateway.compliance.text import as_json, as_text
from gateway.core.reason import Reason
from gateway.core.secret import Secret
from gateway.policy.decide import code_demanded
from gateway.policy.organisations import Policies
from gateway.policy.rules import PasswordRules, Policy, SecondFactor
from gateway.policy.snapshot import Device, Method, User
from gateway.settings.connections import Listener, RouteSettings
from gateway.settings.load import named_profile
from gateway.settings.model import Settings
from gateway.store.audit import AuditEntry, Event
from gateway.store.schema import audit, failures, users
from gateway.store.store import Store
from tests.contract.world import ADMIN, KEY, NOW, World

pytestmark = pytest.mark.req("BY-9")
SETTINGS = Settings(
    profile="sfc-vatp",
    listener=(Listener(name="fix", plain=True),),
    route=(RouteSettings(name="engine", plain=True, upstream=("127.0.0.1:9880",)),),
)


async def counted(
    store: Store, policy: Policy | None = None, now: float = NOW, firms: dict[str, Policy] | None = None
) -> Survey:
    return await store.survey(lambda connection: survey(connection, Policies(policy or Policy(), firms or {}), now))


async def reported(store: Store, profile: str = "sfc-vatp", catalogue: Catalogue | None = None) -> Report:
    policy = named_profile("sfc-vatp").policy
    seen = await counted(store, policy)
    software = assess({"python": "3.14.2", "openssl": "3.5.1"})
    facts = Facts(SETTINGS, Policies(policy), seen, await store.audit.verify(), software, NOW)
    return build(named_profile(profile), catalogue or read(), facts, "1.0")


def line(report: Report, row: str):
    return next(one for one in report.lines if one.row.id == row)


async def add(store: Store, name: str, *, device: bool = False, confirmed: bool = True, **user: object) -> None:
    await store.users.add(User("", name, **{"password_hash": "$x", "password_changed": NOW, **user}), ADMIN)
    if device:
        await store.devices.add(name, Device("", Secret(KEY), confirmed=confirmed), "phone", ADMIN)


async def write(store: Store, statement: sa.Executable) -> None:
    await store._database.write(lambda tx: tx.execute(statement) and None)


async def test_a_new_store_has_nobody_in_it(store: Store):
    found = await counted(store)

    assert (found.users, found.authenticators, found.live_sessions, found.audit_rows) == (0, 0, 0, 1)


async def test_people_are_counted_by_what_they_are(store: Store):
    await add(store, "with", device=True)
    await add(store, "unconfirmed", device=True, confirmed=False)
    await add(store, "disabled", enabled=False)
    await add(store, "initial", must_change=True, device=True)
    await add(store, "old", device=True, password_changed=NOW - 91 * 86400)
    await add(store, "gone", device=True, valid_until=NOW)
    await add(store, "soon", device=True, valid_from=NOW + 1)
    await add(store, "bound", device=True, certificates=frozenset({"a" * 64, "b" * 64}))
    await add(store, "engine", device=True, method=Method.UPSTREAM_TOTP, password_changed=0.0)
    await add(store, "external", method=Method.EXTERNAL, password_changed=0.0)
    await add(store, "plain", method=Method.PASSWORD)

    found = await counted(store)

    assert (found.users, found.disabled, found.must_change, found.outside_dates) == (11, 1, 1, 2)
    assert (found.without_authenticator, found.old_passwords, found.bound_certificates) == (1, 1, 1)
    assert (found.judged_upstream, found.judged_elsewhere, found.without_code) == (1, 1, 1)
    assert (found.authenticators, found.most_authenticators) == (7, 1)


async def test_a_password_is_old_only_where_passwords_expire(store: Store):
    await add(store, "old", password_changed=0.0)

    assert (await counted(store, Policy())).old_passwords == 1
    assert (await counted(store, Policy(password=PasswordRules(max_age=0.0)))).old_passwords == 0


@pytest.mark.parametrize("exemptions", [True, False])
@pytest.mark.parametrize("demand", SecondFactor)
async def test_whoever_logs_in_without_a_code_is_counted_as_the_login_itself_judges(store, demand, exemptions):
    policy = Policy(second_factor=demand, exemptions=exemptions)
    kinds = list(product(Method, [None, *SecondFactor], [True, False]))
    for number, (method, own, device) in enumerate(kinds):
        await add(store, f"u{number:02}", method=method, second_factor=own, device=device)

    accounts = await store.users.list("", 100)
    loose = [
        account
        for account in accounts
        if account.user.method is not Method.EXTERNAL and not code_demanded(policy, account.user, account.devices)
    ]

    assert (await counted(store, policy)).without_code == len(loose)


async def test_locks_and_revocations_are_counted_once_for_each_user(world: World):
    where = {"user_id": sa.select(users.c.id).where(users.c.name == "trader").scalar_subquery(), "digests": ""}
    lock = {"count": 5, "last": NOW, "locked_until": NOW + 900, "revoked": False}
    for source in ("", "192.0.2.7"):
        await write(world.store, sa.insert(failures).values(**where, **lock, source=source))

    assert ((await counted(world.store)).locked, (await counted(world.store, now=NOW + 900)).locked) == (1, 0)
    await write(world.store, sa.update(failures).values(revoked=True))
    assert (await counted(world.store)).revoked == 1


async def test_sessions_count_while_they_live_and_what_happened_is_counted_from_the_record(world: World):
    await world.open("s1")
    await world.open("s2", stream="OTHER>EXCHANGE")
    await world.store.audit.append(AuditEntry(NOW, Event.LOGIN_REFUSED, Reason.BAD_CODE, "trader"))

    found = await counted(world.store)

    assert (found.live_sessions, found.most_sessions, found.refusals, found.enrolments) == (2, 2, 1, 1)
    assert (await counted(world.store, now=NOW + 86400)).live_sessions == 0


async def test_nobody_is_loaded_however_many_there_are(store: Store):
    """Every statement of the survey gives back a handful of rows: counts, never people."""
    for number in range(30):
        await add(store, f"u{number:02}", device=True)
    sizes = []

    def look(connection: sa.Connection) -> Survey:
        execute = connection.execute
        connection.execute = lambda *args: _measured(execute(*args), sizes)  # type: ignore[method-assign]
        return survey(connection, Policies(Policy()), NOW)

    assert (await store.survey(look)).users == 30
    assert max(sizes) < 10


def _measured(result: sa.CursorResult, sizes: list[int]) -> sa.IteratorResult:
    frozen = result.freeze()
    sizes.append(len(frozen().all()))
    return frozen()


async def test_a_server_tells_its_version_and_whether_the_line_is_encrypted(place, store: Store):
    found = await store.survey(server)

    if place.url.startswith("sqlite"):
        assert (found.version, found.encrypted, found.clock) == ("", None, None)
    else:
        assert found.version.partition(".")[0].isdigit()
        assert found.encrypted in (True, False, None)
        assert abs(found.clock - __import__("time").time()) < 3600


GOLDEN = """\
Compliance report: SFC platform operators (profile sfc-vatp)
Gateway 1.0, configured profile sfc-vatp, 2027-01-15 08:00 UTC
4 rows: 1 met, 1 deviating, 1 not built yet, 1 not applicable

  users: 2
  users disabled: 0
  users locked now: 0
  users revoked until somebody unlocks: 0
  users without an authenticator who need one: 1
  users of whom no code is demanded: 0
  passwords older than the maximum age: 1
  plain listeners: fix (of 1)
  live sessions: 0
  audit chain verified: 4 rows, unbroken
  connection to the store: CONNECTION
  Python 3.14.2: maintained until 2030-10-31; OpenSSL 3.5.1: maintained until 2030-04-08

SF-4   The client cannot switch the second factor off where the profile demands it
  verdict   MET
  setting   second_factor = mandatory
  setting   exemptions = false
  evidence  users without an authenticator who need one: 1
  evidence  users of whom no code is demanded: 0
  evidence  users whom the exchange checks altogether: 0
  tests     tests/unit/x.py::test_y

SF-14  Components are known and audited
  verdict   NOT BUILT YET: a bill of materials
  mechanism every dependency is locked with its hash
  tests     none

SF-17  TLS 1.2 or newer and no weak algorithm
  verdict   DEVIATING: a plain listener: passwords and codes travel in clear: fix
  setting   listeners = fix: plain, venue default
  setting   routes = engine: plain
  mechanism TLS 1.2 or 1.3 with forward secrecy and AEAD suites only; anything weaker does not start
  tests     tests/unit/x.py::test_y and 1 more

SF-21  Controls of mobile platforms: not applicable to a gateway
  verdict   NOT APPLICABLE: these are controls of a mobile application; a gateway has none: it sees
            a protocol, not the device
  tests     none
"""


async def test_the_report_of_a_small_store_reads_so(world: World):
    await add(world.store, "newcomer")
    shipped = read()
    tests = {"SF-4": ("tests/unit/x.py::test_y",), "SF-17": ("tests/unit/x.py::test_y", "tests/unit/x.py::test_z")}
    rows = {id_: replace(shipped.rows[id_], tests=tests.get(id_, ())) for id_ in ("SF-4", "SF-14", "SF-17", "SF-21")}
    half = "every dependency is locked with its hash"
    rows["SF-14"] = replace(rows["SF-14"], mechanism=half, missing="a bill of materials")
    catalogue = Catalogue(rows, {"sfc-vatp": ("SF",)})

    report = await reported(world.store, catalogue=catalogue)

    words = next(fact for fact in report.summary if fact.startswith("connection")).partition(": ")[2]
    assert as_text(report) == GOLDEN.replace("CONNECTION", words)


@pytest.mark.req("BY-6")
async def test_a_tampered_audit_record_is_a_deviation(world: World):
    before = await reported(world.store)
    await write(world.store, sa.update(audit).where(audit.c.seq == 2).values(user="mallory"))

    after = await reported(world.store)

    assert line(before, "BY-6").verdict is not Verdict.DEVIATING
    assert line(after, "BY-6").verdict is Verdict.DEVIATING
    assert "row 2 was changed" in line(after, "BY-6").why
    assert "audit chain BROKEN at row 2: row 2 was changed" in after.summary


async def test_a_configuration_weaker_than_another_profile_deviates_from_that_one(store: Store):
    report = await reported(store, "m7-6.16")

    assert line(report, "M7-8").verdict is Verdict.DEVIATING
    assert line(report, "M7-8").why.startswith("totp.window = 1: must be at most 0")


async def test_more_authenticators_than_allowed_deviate(world: World):
    for number in range(3):
        await world.store.devices.add("trader", Device("", Secret(KEY)), f"phone {number}", ADMIN, at_most=9)

    report = await reported(world.store)

    assert "a user has 4 authenticators, 3 are allowed" in line(report, "SF-6").why


@pytest.mark.req("TW-10")
async def test_no_format_names_a_user_or_holds_a_secret(world: World):
    hostile = "<script>alert(1)</script>"
    await add(world.store, hostile, device=True, organisation="<b>firm</b>")

    report = await reported(world.store)

    for text in (as_text(report), as_json(report), as_html(report)):
        assert all(word not in text for word in (hostile, "<b>firm", "$argon2id", KEY.decode()))


@pytest.mark.req("CQ-8")
async def test_people_are_counted_by_what_their_own_firm_demands(store: Store):
    for firm in ("ACME", "ZEN", ""):
        await add(store, f"bare{firm}", organisation=firm, password_changed=NOW - 40 * 86400)
    firms = {
        "ACME": Policy(password=PasswordRules(max_age=30 * 86400.0)),
        "ZEN": Policy(second_factor=SecondFactor.OPTIONAL),
    }

    found = await counted(store, firms=firms)

    assert (found.without_code, found.old_passwords) == (1, 1)
    assert ((await counted(store)).without_code, (await counted(store)).old_passwords) == (0, 0)
