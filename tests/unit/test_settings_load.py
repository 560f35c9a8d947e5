from pathlib import Path

import pytest

from gateway.policy.organisations import Policies
from gateway.policy.rules import Policy
from gateway.policy.snapshot import User
from gateway.settings import ConfigError, load, load_settings

GOOD = """
[[listener]]
name = "fix"
plain = true

[[route]]
name = "engine"
plain = true
upstream = ["127.0.0.1:9880"]
"""


@pytest.fixture(autouse=True)
def _somewhere_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(text: str) -> Path:
    file = Path("given.toml")
    file.write_text(text)
    return file


def faults(text: str) -> dict[str, str]:
    with pytest.raises(ConfigError) as refused:
        load_settings(write(text))
    return {problem.path: problem.message for problem in refused.value.problems}


def test_defaults_hold_where_nothing_is_set():
    settings = load_settings()

    assert (settings.profile, settings.workers, settings.listener) == ("default", 1, ())


def test_the_file_sets_options():
    settings = load_settings(write(GOOD))

    assert settings.listener[0].address == "127.0.0.1:9878"
    assert settings.routes_of(settings.listener[0]) == settings.route


def test_gateway_toml_of_the_working_directory_is_read_unasked():
    Path("gateway.toml").write_text('profile = "cqg"')

    assert load_settings().profile == "cqg"


def test_the_environment_names_the_file(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GATEWAY_CONFIG", str(write('profile = "cqg"')))

    assert load_settings().profile == "cqg"


def test_the_environment_is_over_the_file_and_the_command_line_over_both(monkeypatch: pytest.MonkeyPatch):
    file = write('workers = 2\nprofile = "cqg"\n[log]\nlevel = "error"\nformat = "console"')
    monkeypatch.setenv("GATEWAY_WORKERS", "3")
    monkeypatch.setenv("GATEWAY_LOG__LEVEL", "debug")

    settings = load_settings(file, {"workers": 4})

    assert (settings.workers, settings.profile) == (4, "cqg")
    assert (settings.log.level, settings.log.format) == ("debug", "console")


def test_a_list_comes_from_the_environment_as_json(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GATEWAY_ROUTE", '[{"name": "a", "plain": true, "upstream": ["h:1"]}]')

    assert load_settings().route[0].upstream == ("h:1",)


def test_every_fault_is_listed_with_its_path_and_what_is_allowed():
    found = faults(
        """
        profle = "x"
        workers = "many"
        [[listener]]
        name = "a"
        plain = true
        venue = 7
        login_timeout = "soon"
        [[listener]]
        name = "b"
        [[route]]
        name = "r"
        plain = true
        upstream = ["engine"]
        [policy.totp]
        window = 9
        reuse = "often"
        """
    )

    assert set(found) == {
        "profle",
        "workers",
        "listener[0].venue",
        "listener[0].login_timeout",
        "listener[1]",
        "route[0].upstream",
        "route[0].upstream[0]",
        "policy.totp.window",
        "policy.totp.reuse",
    }
    assert "did you mean profile?" in found["profle"]
    assert "valid integer" in found["workers"]
    assert "'many'" in found["workers"]
    assert "valid string" in found["listener[0].venue"]
    assert '"30 min"' in found["listener[0].login_timeout"]
    assert "≥ 0, ≤ 2" in found["policy.totp.window"]
    assert "never | within_step" in found["policy.totp.reuse"]


@pytest.mark.req("TW-4")
@pytest.mark.parametrize(
    "listener", ["", 'plain = true\ntls = {certificate = "given.toml", private_key = "given.toml"}']
)
def test_a_listener_has_tls_or_is_plain_by_name(listener: str):
    assert "TW-4" in faults(f'[[listener]]\nname = "a"\n{listener}')["listener[0]"]


@pytest.mark.req("SF-16")
def test_a_route_has_tls_or_is_plain_by_name():
    assert "SF-16" in faults('[[route]]\nname = "a"\nupstream = ["h:1"]')["route[0]"]


def test_a_tls_file_that_does_not_exist_is_found_at_start():
    found = faults('[[listener]]\nname = "a"\ntls = {certificate = "no.pem", private_key = "given.toml"}')

    assert "does not point to a file" in found["listener[0].tls.certificate"]


@pytest.mark.req("M7-13")
def test_client_certificates_need_an_authority():
    tls = 'tls = {certificate = "given.toml", private_key = "given.toml", client_certificate = "required"}'

    assert "client_ca" in faults(f'[[listener]]\nname = "a"\n{tls}')["listener[0].tls"]


def test_names_are_unique_and_routes_exist():
    found = faults(GOOD + GOOD + '[[listener]]\nname = "x"\nplain = true\nroutes = ["nowhere"]')

    assert found[""] == (
        "two listeners are named fix; two routes are named engine; listener x names the route nowhere, which does not exist"
    )


@pytest.mark.req("TW-10")
@pytest.mark.parametrize(
    "text",
    [
        '[store]\nurl = "mysql://u:canary@h/d"',
        '[store]\nurll = "postgresql://u:canary@h/d"',
        'store = "postgresql://u:canary@h/d"',
        '[store]\nurl = "postgresql://u:canary@h/d"',
        '[store]\nmaster_key = "canary"\nmaster_key_file = "x"',
        "[store]\nurl = ['canary']",
    ],
)
def test_a_fault_never_repeats_a_secret(text: str):
    with pytest.raises(ConfigError) as refused:
        load_settings(write(text))

    assert "canary" not in str(refused.value)


@pytest.mark.req("TW-10")
def test_settings_never_show_a_secret():
    settings = load_settings(write('[store]\nurl = "postgresql://u:canary@h/d"\nmaster_key = "canary"'))

    assert "canary" not in repr(settings) + str(settings) + settings.model_dump_json()
    assert settings.store.database() == "postgresql://u:canary@h/d"


def test_the_store_url_is_read_from_a_file(monkeypatch: pytest.MonkeyPatch):
    Path("url").write_text("sqlite:///elsewhere.db\n")
    monkeypatch.setenv("GATEWAY_STORE__URL_FILE", "url")

    store = load_settings().store

    assert store.database() == "sqlite:///elsewhere.db"
    assert store.key_file() == Path("elsewhere.db.key")


def test_a_url_and_a_file_with_one_do_not_go_together():
    Path("url").write_text("sqlite:///elsewhere.db")

    assert "keep one" in faults('[store]\nurl = "sqlite:///here.db"\nurl_file = "url"')["store"]


def test_postgresql_needs_a_master_key_that_all_hosts_share():
    assert "several hosts" in faults('[store]\nurl = "postgresql://u@h/d"')["store"]


@pytest.mark.parametrize("name", ["GATEWAY_STORRE__URL", "GATEWAY_LISTENERS"])
def test_a_misspelt_variable_is_a_fault(monkeypatch: pytest.MonkeyPatch, name: str):
    monkeypatch.setenv(name, "canary")

    with pytest.raises(ConfigError, match=f"^{name}: unknown option in the environment") as refused:
        load_settings()
    assert "canary" not in str(refused.value)


def test_a_misspelt_nested_variable_is_a_fault(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GATEWAY_LOG__LEVELL", "debug")

    with pytest.raises(ConfigError, match=r"log\.levell: unknown option; did you mean level\?"):
        load_settings()


def test_broken_json_in_the_environment_names_its_option(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GATEWAY_ROUTE", "[{")

    with pytest.raises(ConfigError, match=r"^route: "):
        load_settings()


def test_a_file_that_is_no_toml_says_where():
    assert "line 2" in faults("profile = 'x'\nbroken\n")["given.toml"]


def test_a_file_that_is_not_there_is_a_fault():
    with pytest.raises(ConfigError, match=r"nowhere\.toml: there is no such configuration file"):
        load_settings(Path("nowhere.toml"))


@pytest.mark.req("SF-9")
@pytest.mark.parametrize("value", ["0", "-1", "inf", "nan", '"never"', "true", "604801"])
@pytest.mark.parametrize("option", ["idle", "lifetime"])
def test_a_session_cannot_be_made_endless(option: str, value: str):
    assert f"policy.sessions.{option}" in faults(f"[policy.sessions]\n{option} = {value}")


# ── the whole configuration ─────────────────────────────────────────────────────────────────────────────────────────


def all_faults(text: str, *, serving: bool = False) -> dict[str, str]:
    with pytest.raises(ConfigError) as refused:
        load(write(text), serving=serving)
    return {problem.path: problem.message for problem in refused.value.problems}


def test_the_profile_gives_the_policy_and_the_file_overrides_it():
    found = load(write('profile = "m7-6.16"\n[policy.sessions]\nidle = "10 min"'))

    assert (found.policies.house.totp.window, found.policies.house.sessions.idle) == (0, 600)


@pytest.mark.req("SF-10")
def test_a_configuration_weaker_than_its_profile_is_refused_and_the_row_is_named():
    found = all_faults('profile = "sfc-vatp"\n[policy.sessions]\nidle = "31 min"')

    assert found["policy.sessions.idle"].startswith("1860: must be at most 1800 [SF-10")


@pytest.mark.req("SF-4")
def test_the_second_factor_cannot_be_switched_off_where_the_profile_demands_it():
    assert "SF-4" in all_faults('profile = "sfc-vatp"\n[policy]\nsecond_factor = "optional"')["policy.second_factor"]


# ── a firm's own terms ──────────────────────────────────────────────────────────────────────────────────────────────

FIRMS = """profile = "sfc-vatp"
[policy.sessions]
idle = "20 min"
max_per_user = 3
[[organisation]]
name = "ACME"
[organisation.policy.sessions]
idle = "5 min"
[[organisation]]
name = "ZEN & Co"
[organisation.policy]
lockout = {threshold = 3}
[[organisation]]
name = "PLAIN"
setup_link = "1 d"
"""


@pytest.mark.req("CQ-8")
def test_a_firms_terms_are_over_the_houses_and_those_over_the_profiles():
    policies = load(write(FIRMS)).policies

    terms = {
        firm: (own.sessions.idle, own.sessions.max_per_user, own.lockout.threshold)
        for firm, own in policies.firms.items()
    }
    house = policies.house.lockout.threshold
    assert terms == {"ACME": (300, 3, house), "ZEN & Co": (1200, 3, 3)}
    assert policies(User("", "tom", "PLAIN")) == policies(User("", "tom")) == policies(None) == policies.house
    assert policies(User("", "ann", "ACME")).sessions.idle == 300


@pytest.mark.req("CQ-8", "SF-10", "SF-4")
def test_what_a_firm_has_weaker_than_the_profile_is_refused_all_of_it():
    text = FIRMS.replace('idle = "5 min"', 'idle = "31 min"').replace(
        "lockout =", 'second_factor = "optional"\nlockout ='
    )

    found = all_faults(text.replace('idle = "20 min"', 'idle = "40 min"'))

    assert found.keys() == {
        "policy.sessions.idle", "organisation.ACME.policy.sessions.idle", "organisation.ZEN & Co.policy.second_factor",
    }  # fmt: skip
    assert found["organisation.ACME.policy.sessions.idle"].startswith("1860: must be at most 1800 [SF-10")


@pytest.mark.req("CQ-8")
@pytest.mark.parametrize("term", ["refusal_floor = 1", "lockout.address_budget = 9", "lockout.address_window = 9"])
def test_a_firm_has_no_terms_for_addresses_and_none_that_would_show_whose_a_name_is(term: str):
    ((path, words),) = faults(f'[[organisation]]\nname = "ACME"\n[organisation.policy]\n{term}').items()

    assert (path, "unknown option" in words) == (f"organisation[0].policy.{term.partition(' ')[0]}", True)


def test_a_policy_in_which_a_firm_had_them_cannot_be_made():
    with pytest.raises(ValueError, match="ACME"):
        Policies(Policy(), {"ACME": Policy(refusal_floor=1.0)})


def test_a_profile_that_does_not_exist_names_those_that_do():
    assert "m7-6.16" in all_faults('profile = "m8"')["profile"]


def test_a_venue_that_does_not_exist_names_those_that_do():
    assert "default" in all_faults(GOOD.replace("plain", 'venue = "nasdaq"\nplain', 1))["listener[0].venue"]


def test_a_venue_can_be_a_file_of_ones_own():
    Path("mine.toml").write_text("user_tag = 49")

    venue = load(write(GOOD.replace("plain", 'venue = "mine.toml"\nplain', 1))).venues["fix"]

    assert (venue.name, venue.user_tag) == ("mine", 49)


@pytest.mark.parametrize("text", ["usertag = 49", "user_tag = 0", 'user_tag = "x"', "code_tag = 34"])
def test_a_venue_file_with_a_fault_is_refused(text: str):
    Path("mine.toml").write_text(text)

    assert "mine.toml: " in all_faults(GOOD.replace("plain", 'venue = "mine.toml"\nplain', 1))["listener[0].venue"]


def test_without_a_listener_and_a_route_there_is_nothing_to_serve():
    assert {"listener", "route"} == set(all_faults("", serving=True))


def test_faults_of_profile_and_venues_are_listed_together():
    text = 'profile = "m8"\n' + GOOD.replace("plain", 'venue = "nasdaq"\nplain', 1)

    assert {"profile", "listener[0].venue"} == set(all_faults(text))


# ── AMQP ────────────────────────────────────────────────────────────────────────────────────────────────────────────

AMQP = """
[[listener]]
name = "m7"
protocol = "amqp"
venue = "m7"
plain = true

[[route]]
name = "broker"
plain = true
upstream = ["127.0.0.1:5672"]
service = {user = "gateway", password = "canary", vhost = "app"}
"""


def test_an_amqp_listener_has_a_venue_and_a_route_with_the_gateways_account():
    found = load(write(AMQP), serving=True)
    service = found.settings.route[0].service

    assert found.venues["m7"].exchange == "m7.requestExchange.{user}"
    assert (service.user, service.vhost, service.secret().reveal()) == ("gateway", "app", b"canary")
    assert "canary" not in repr(found)


def test_the_accounts_password_may_be_in_a_file():
    Path("password").write_text("secret\n")
    text = AMQP.replace('password = "canary"', 'password_file = "password"')

    assert load(write(text)).settings.route[0].service.secret().reveal() == b"secret"


@pytest.mark.parametrize("wrong", ["", 'password = "canary", password_file = "given.toml", '])
def test_the_account_has_one_password(wrong: str):
    found = faults(AMQP.replace('password = "canary", ', wrong))

    assert "password or password_file" in found["route[0].service"]


@pytest.mark.parametrize(
    "option",
    [
        'versions = ["FIX.4.4"]',
        'refusal = "close"',
        "sending_time_tolerance = 1",
        "max_login_size = 1024",
        'password_key = "cqg"',
    ],
)
def test_an_option_of_fix_is_refused_on_an_amqp_listener(option: str):
    message = faults(AMQP.replace('venue = "m7"', option))["listener[0]"]

    assert message.startswith(f'{option.split(" ", maxsplit=1)[0]}: only for protocol = "fix"')


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            GOOD.replace("plain", 'venue = "m7"\nplain', 1),
            'is a venue for protocol = "amqp", and the listener\'s is "fix"',
        ),
        (AMQP.replace('venue = "m7"\n', ""), 'is a venue for protocol = "fix", and the listener\'s is "amqp"'),
        (
            AMQP.replace('venue = "m7"', 'venue = "m8"'),
            "there is no venue 'm8' (allowed: amqp-generic, amqp-password, m7, or the path",
        ),
        (GOOD.replace("plain", 'venue = "m8"\nplain', 1), "(allowed: appended, cqg, default, encrypted, or the path"),
    ],
)
def test_a_venue_of_the_other_protocol_is_refused_and_the_own_ones_are_named(text: str, words: str):
    assert words in all_faults(text)["listener[0].venue"]


@pytest.mark.parametrize("text", ['exchange = ""', "name = 'x", 'queues = ["*"]', 'answer = "yes"', "login_bytes = 0"])
def test_an_amqp_venue_file_with_a_fault_is_refused(text: str):
    Path("mine.toml").write_text(text)

    assert "mine.toml: " in all_faults(AMQP.replace('venue = "m7"', 'venue = "mine.toml"'))["listener[0].venue"]


BROKER = AMQP[AMQP.index("[[route]]") :]


@pytest.mark.parametrize("text", [AMQP + BROKER.replace("broker", "b"), AMQP[: AMQP.index("[[route]]")]])
def test_an_amqp_listener_has_exactly_one_route(text: str):
    assert faults(text)[""] == "listener m7 speaks AMQP, so it has exactly one route: name it in routes"


def test_an_amqp_route_needs_the_gateways_account():
    service = AMQP.splitlines()[-1]

    assert faults(AMQP.replace(service, ""))[""] == "listener m7 speaks AMQP, so route broker needs a service account"


def test_a_fix_login_is_never_sent_to_a_broker():
    assert faults(GOOD + AMQP.replace("plain", 'routes = ["broker"]\nplain', 1))[""] == (
        "listener fix speaks FIX, and route broker has a service account"
    )


def test_both_protocols_have_routes_of_their_own():
    text = GOOD.replace("plain", 'routes = ["engine"]\nplain', 1) + AMQP.replace(
        "plain", 'routes = ["broker"]\nplain', 1
    )

    assert set(load(write(text), serving=True).venues) == {"fix", "m7"}


@pytest.mark.req("M7-13")
@pytest.mark.parametrize("half", ["issuer", "issuer_key"])
def test_an_issuer_has_a_key(half: str):
    text = AMQP.replace("plain = true\nupstream", f'tls = {{ca = "given.toml", {half} = "given.toml"}}\nupstream')

    assert "go together" in faults(text)["route[0].tls"]


# ── passwords ───────────────────────────────────────────────────────────────────────────────────────────────────────

LDAP = """
[passwords]
backend = "ldap"
[passwords.ldap]
servers = ["ldaps://ldap-a.example:636", "ldap://[2001:db8::1]", "ldaps://ldap-b.example"]
ca = "given.toml"
user_dn = "uid={user},dc=example"
"""
SEARCH = 'search = {base = "dc=example", bind_dn = "cn=gateway", password = "canary"}'


def test_the_directorys_account_has_a_secret_that_is_not_shown():
    found = load_settings(write(LDAP.replace('user_dn = "uid={user},dc=example"', SEARCH)))

    assert found.passwords.ldap.search.secret().reveal() == b"canary"
    assert "canary" not in repr(found)


@pytest.mark.req("M7-18", "TW-4")
@pytest.mark.parametrize(
    ("was", "now", "path", "words"),
    [
        (LDAP[LDAP.index("[passwords.ldap]") :], "", "passwords", "needs [passwords.ldap]"),
        ("ldaps://ldap-a.example:636", "http://a", "passwords.ldap.servers[0]", '"ldap://host:389" for StartTLS'),
        ("ldaps://ldap-a.example:636", "ldaps://a:x", "passwords.ldap.servers[0]", "an address is"),
        ("uid={user},", "", "passwords.ldap.user_dn", "must have {user} in it"),
        ("{user},", "{user},ou={user},", "passwords.ldap.user_dn", "must have {user} in it, once"),
        ("user_dn", f"{SEARCH}\nuser_dn", "passwords.ldap", "either user_dn or search"),
        ("user_dn", "timeout = 0\nuser_dn", "passwords.ldap.timeout", "greater than 0"),
    ],
)
def test_a_directory_that_could_not_work_is_refused(was: str, now: str, path: str, words: str):
    load_settings(write(LDAP))

    assert words in faults(LDAP.replace(was, now, 1))[path]


KEY = """
[[password_key]]
name = "cqg"
pem = "given.toml"
"""


@pytest.mark.req("CQ-3")
def test_a_password_key_is_in_a_file_or_in_a_token():
    token = 'token = {module = "given.toml", token = "t", key = "k", pin = "canary"}'
    found = load_settings(write(KEY.replace('pem = "given.toml"', token)))

    assert found.password_key[0].token.secret().reveal() == b"canary"
    assert "canary" not in repr(found)
    for both_or_none in ("", f'pem = "given.toml"\n{token}'):
        assert faults(KEY.replace('pem = "given.toml"', both_or_none))["password_key[0]"].startswith("needs either pem")


@pytest.mark.req("CQ-3")
def test_a_listener_whose_venue_encrypts_names_a_key_that_there_is():
    encrypted = GOOD.replace("plain", 'venue = "encrypted"\npassword_key = "cqg"\nplain', 1)

    assert load(write(encrypted + KEY)).settings.listener[0].password_key == "cqg"
    assert faults(encrypted)[""] == "listener fix names the password key cqg, which does not exist"
    assert faults(encrypted + KEY + KEY)[""] == "two password keys are named cqg"
    assert "is needed" in all_faults(encrypted.replace('password_key = "cqg"\n', "") + KEY)["listener[0].password_key"]
    assert "has no use" in all_faults(encrypted.replace('venue = "encrypted"\n', "") + KEY)["listener[0].password_key"]
