"""`gateway doctor` against what is really broken: permissions, keys, certificates, engines, ports, the record."""

import asyncio
import datetime as dt
import ipaddress
import resource
import socket
import sqlite3
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from gateway.cli.checkup import host
from gateway.observe.admin import Admin
from gateway.observe.metrics import Metrics
from gateway.settings.connections import Listener
from gateway.settings.model import Settings

STORE = '[store]\nurl = "sqlite:///gateway.db"\n[argon2]\ntime_cost = 1\nmemory_cost = 8192\n'


def found(done, subject: str) -> list[tuple[str, str]]:
    return [(one["state"], one["found"]) for one in done.data["findings"] if one["subject"] == subject]


def states(done, subject: str) -> list[str]:
    return [state for state, _ in found(done, subject)]


def issue(name: str, key=None, *, days: float = 365, hashed=None) -> tuple[str, str]:
    """Write a self-signed certificate for 127.0.0.1 and its key, and return their file names."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=400))
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    Path(f"{name}.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    Path(f"{name}.key").write_bytes(key.private_bytes(*form))
    Path(f"{name}.key").chmod(0o600)
    return f"{name}.pem", f"{name}.key"


def configure(
    *, listener: str = "plain = true", route: str = "plain = true", upstream: str, admin: str = "off"
) -> None:
    Path("gateway.toml").write_text(
        f'{STORE}[admin]\naddress = "{admin}"\n[[listener]]\nname = "fix"\naddress = "127.0.0.1:0"\n{listener}\n'
        f'[[route]]\nname = "engine"\nupstream = {upstream}\n{route}\n'
    )


@pytest.fixture
def engine() -> Iterator[str]:
    """Something that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def dead() -> str:
    """An address where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def healthy(gateway, trader, engine):
    """An installation where nothing fails; returns what `doctor --json` said in a fresh run."""
    configure(upstream=f'["{engine}"]')
    return lambda: gateway("doctor", "--json")


def test_a_healthy_installation_ends_with_0(healthy):
    done = healthy()

    assert (done.code, done.data["ok"]) == (0, True), done.out
    assert found(done, "store") == [("ok", "answers, has this version's schema, and the master key fits")]
    assert states(done, "audit") == ["ok"]
    assert "answers" in found(done, "route engine")[-1][1]


def test_what_is_not_well_says_how_to_mend_it(gateway, trader, dead):
    configure(upstream=f'["{dead}"]')

    done = gateway("doctor")

    assert done.code == 1
    assert f"failed   route engine: {dead} cannot be reached" in done.out
    assert "mend: start the engine" in done.out
    assert all(one["mend"] for one in gateway("doctor", "--json").data["findings"] if one["state"] != "ok")


def test_a_configuration_that_does_not_load_is_said_fault_by_fault(gateway):
    Path("gateway.toml").write_text('profle = "x"\nworkers = 0')

    done = gateway("doctor", "--json")

    assert done.code == 1
    assert len([state for state in states(done, "configuration") if state == "failed"]) >= 2
    assert states(done, "store") == []


def test_nothing_is_made(gateway, engine):
    configure(upstream=f'["{engine}"]')

    done = gateway("doctor", "--json")

    assert states(done, "store") == ["warning"]
    assert sorted(file.name for file in Path().iterdir()) == ["gateway.toml"]


@pytest.mark.parametrize(("file", "mode"), [("gateway.db", 0o644), ("gateway.db.key", 0o604)])
def test_a_file_that_others_may_read_fails(healthy, file, mode):
    Path(file).chmod(mode)

    done = healthy()

    assert done.code == 1
    assert any(
        state == "failed" and f"{file} is open to everybody" in said for state, said in found(done, "permissions")
    )


def test_a_file_that_the_group_may_read_is_a_warning(healthy):
    Path("gateway.db").chmod(0o640)

    assert "warning" in states(healthy(), "permissions")


def test_a_configuration_that_others_may_write_fails(healthy):
    Path("gateway.toml").chmod(0o666)

    assert "failed" in states(healthy(), "configuration")


def test_a_configuration_with_a_secret_that_others_may_read_fails(healthy):
    text = Path("gateway.toml").read_text()
    key = Path("gateway.db.key").read_text().strip()
    Path("gateway.toml").write_text(text.replace("[store]", f'[store]\nmaster_key = "{key}"'))
    Path("gateway.toml").chmod(0o644)

    done = healthy()

    assert "failed" in states(done, "configuration")
    assert key not in done.out
    Path("gateway.toml").chmod(0o600)
    assert healthy().code == 0


def test_a_wrong_master_key_fails(healthy):
    import base64

    Path("gateway.db.key").write_bytes(base64.b64encode(bytes(32)))

    done = healthy()

    assert done.code == 1
    assert "not the one the store was made with" in found(done, "master key")[0][1]


def test_a_database_that_is_gone_while_its_key_is_there_fails(healthy):
    Path("gateway.db").unlink()

    assert "failed" in states(healthy(), "store")
    assert not Path("gateway.db").exists()


def test_a_store_of_a_newer_program_fails(healthy):
    with sqlite3.connect("gateway.db") as database:
        database.execute("update alembic_version set version_num = '9999'")

    assert "written by a newer version" in found(healthy(), "store")[0][1]


def test_a_store_that_is_none_fails(healthy):
    Path("gateway.db").write_bytes(b"this is no database at all, whatever its name says" * 100)

    assert states(healthy(), "store") == ["failed"]


@pytest.mark.req("BY-6")
def test_a_tampered_record_fails(healthy):
    with sqlite3.connect("gateway.db") as database:
        database.execute("update audit set user = 'mallory' where seq = 2")

    assert found(healthy(), "audit") == [("failed", "broken at row 2: row 2 was changed")]


@pytest.mark.parametrize(
    ("days", "state", "words"),
    [(-1, "failed", "expired on"), (10, "warning", "expires on"), (365, "ok", "its key fits")],
)
def test_a_certificate_has_a_life(healthy, engine, days, state, words):
    certificate, key = issue("door", days=days)
    configure(listener=f'tls = {{certificate = "{certificate}", private_key = "{key}"}}', upstream=f'["{engine}"]')

    done = healthy()

    ((seen, said), *_) = found(done, "listener fix")
    assert (seen, words in said, done.code) == (state, True, int(state == "failed"))


def test_a_key_of_another_certificate_fails(gateway, trader, engine):
    (certificate, _), (_, key) = issue("door"), issue("other")
    configure(listener=f'tls = {{certificate = "{certificate}", private_key = "{key}"}}', upstream=f'["{engine}"]')

    assert "is not the key of certificate" in found(gateway("doctor", "--json"), "listener fix")[0][1]


@pytest.mark.req("SF-17")
def test_a_weak_key_fails(gateway, trader, engine):
    certificate, key = issue("door", rsa.generate_private_key(65537, 1024))
    configure(listener=f'tls = {{certificate = "{certificate}", private_key = "{key}"}}', upstream=f'["{engine}"]')

    assert found(gateway("doctor", "--json"), "listener fix")[0] == (
        "failed",
        "a certificate in door.pem is weak: RSA of 1024 bits",
    )


def test_a_certificate_that_is_no_pem_fails(gateway, trader, engine):
    _, key = issue("door")
    Path("door.pem").write_text("hello")
    configure(listener=f'tls = {{certificate = "door.pem", private_key = "{key}"}}', upstream=f'["{engine}"]')

    assert "cannot be read" in found(gateway("doctor", "--json"), "listener fix")[0][1]


def test_a_dead_address_beside_a_live_one_is_a_warning(gateway, trader, engine, dead):
    configure(upstream=f'["{dead}", "{engine}"]')

    done = gateway("doctor", "--json")

    assert (done.code, states(done, "route engine")) == (0, ["warning", "warning", "ok"])  # the first: no TLS


@pytest.fixture
def tls_engine(gateway) -> Iterator[tuple[str, str]]:
    """An engine's TLS port with a certificate of its own, which is returned with its address."""
    certificate, key = issue("engine")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                peer, _ = server.accept()
            except OSError:
                return
            try:
                with context.wrap_socket(peer, server_side=True):
                    pass
            except OSError:
                peer.close()

    thread = threading.Thread(target=serve)
    thread.start()
    yield f"127.0.0.1:{server.getsockname()[1]}", certificate
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join()


@pytest.mark.req("SF-16")
def test_an_engine_is_spoken_to_in_tls_and_its_certificate_is_checked(gateway, trader, tls_engine):
    address, certificate = tls_engine
    other, _ = issue("somebody-else")

    configure(upstream=f'["{address}"]', route=f'tls = {{ca = "{certificate}"}}')
    good = gateway("doctor", "--json")
    configure(upstream=f'["{address}"]', route=f'tls = {{ca = "{other}"}}')
    bad = gateway("doctor", "--json")

    assert "its certificate holds" in found(good, "route engine")[-1][1]
    assert (bad.code, "its certificate does not hold" in found(bad, "route engine")[-1][1]) == (1, True)


def test_a_port_that_somebody_else_has_fails(gateway, trader, engine):
    with socket.create_server(("127.0.0.1", 0)) as other:
        configure(upstream=f'["{engine}"]')
        text = Path("gateway.toml").read_text()
        Path("gateway.toml").write_text(text.replace("127.0.0.1:0", f"127.0.0.1:{other.getsockname()[1]}"))

        done = gateway("doctor", "--json")

    assert "is taken, and no gateway answers" in found(done, "listener fix")[-1][1]


@pytest.fixture
def running(gateway) -> Iterator[str]:
    """The admin page of a gateway that runs: where it answers."""
    loop, metrics = asyncio.new_event_loop(), Metrics()
    admin = Admin(metrics, lambda: asyncio.sleep(0, True))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    address, port = asyncio.run_coroutine_threadsafe(admin.start("127.0.0.1", 0), loop).result(10)
    yield f"{address}:{port}"
    asyncio.run_coroutine_threadsafe(admin.stop(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_ports_that_our_own_running_gateway_has_are_well(gateway, trader, engine, running):
    with socket.create_server(("127.0.0.1", 0)) as ours:
        configure(upstream=f'["{engine}"]', admin=running)
        text = Path("gateway.toml").read_text()
        Path("gateway.toml").write_text(text.replace("127.0.0.1:0", f"127.0.0.1:{ours.getsockname()[1]}"))

        done = gateway("doctor", "--json")

    assert found(done, "admin") == [("ok", f"{running} is taken, and a gateway is running")]
    assert "is taken, and a gateway is running" in found(done, "listener fix")[-1][1]


@pytest.mark.req("SF-15")
def test_software_that_its_makers_mend_no_more_is_named():
    then, long_after = 1_700_000_000.0, 1_900_000_000.0  # 2023-11-14, 2030-03-17
    versions = {"python": "3.11.7", "openssl": "3.0.19", "postgresql": "15.4"}

    early, late = list(host.software(versions, then)), list(host.software(versions, long_after))

    assert [one.state.value for one in early] == ["ok", "ok", "ok"]
    assert [one.state.value for one in late] == ["warning", "warning", "warning"]
    assert all("end of life since" in one.found and one.mend for one in late)


@pytest.mark.req("SF-15")
def test_the_software_in_use_is_looked_up(healthy):
    said = " ".join(text for _, text in found(healthy(), "software"))

    assert "Python 3." in said
    assert "OpenSSL 3." in said


def test_the_clock_is_asked_and_never_guessed():
    finding = host.clock()

    assert finding.subject == "clock"
    assert finding.state.value == "ok" or finding.mend


def test_too_few_descriptors_are_a_warning_with_the_number_needed():
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    greedy = Settings(listener=(Listener(name="fix", plain=True, max_connections=soft),))
    modest = Settings(listener=(Listener(name="fix", plain=True, max_connections=10),))

    assert (host.descriptors(greedy).state.value, host.descriptors(modest).state.value) == ("warning", "ok")
    assert str(2 * soft + host.RESERVE) in host.descriptors(greedy).mend


def configure_amqp(service: str, *, route: str = "plain = true", upstream: str = "127.0.0.1:5672") -> None:
    Path("gateway.toml").write_text(
        f'{STORE}[admin]\naddress = "off"\n[[listener]]\nname = "m7"\naddress = "127.0.0.1:0"\nprotocol = "amqp"\nvenue = "m7"\n'
        f'plain = true\n[[route]]\nname = "broker"\nupstream = ["{upstream}"]\n{route}\nservice = {{{service}}}\n'
    )
    Path("gateway.toml").chmod(0o600)


@pytest.mark.parametrize(
    ("service", "words"),
    [
        ('user = "guest", password = "guest"', "account guest on / is no impersonator"),
        ('user = "guest", password = "canary"', "account guest on / is refused"),
        ('user = "guest", password = "guest", vhost = "nowhere"', "account guest on nowhere may not connect"),
    ],
)
def test_a_brokers_account_is_tried(gateway, trader, service, words):
    configure_amqp(service)

    done = gateway("doctor", "--json")

    assert ("failed", words) in found(done, "route broker")
    assert "canary" not in done.out + done.err


def test_a_broker_that_is_not_there_is_said(gateway, trader, dead):
    configure_amqp('user = "guest", password = "guest"', upstream=dead)

    assert states(gateway("doctor", "--json"), "route broker").count("failed") == 2


def test_a_password_of_an_account_in_a_file_that_others_read_fails(gateway, trader, dead):
    Path("password").write_text("secret")
    Path("password").chmod(0o644)
    configure_amqp('user = "guest", password_file = "password"', upstream=dead)

    done = gateway("doctor", "--json")

    assert [text for state, text in found(done, "permissions") if state == "failed"] == [
        "password of route broker password is open to everybody (mode 0644)"
    ]


def test_a_password_of_an_account_in_a_configuration_that_others_read_fails(gateway, trader, dead):
    configure_amqp('user = "guest", password = "guest"', upstream=dead)
    Path("gateway.toml").chmod(0o644)

    assert "failed" in states(gateway("doctor", "--json"), "configuration")


@pytest.mark.req("M7-13")
def test_an_issuer_is_looked_at_as_every_certificate(gateway, trader, dead):
    ca, _ = issue("ca")
    issuer, key = issue("issuer", days=-1)
    Path(key).chmod(0o644)
    configure_amqp(
        'user = "guest", password = "guest"',
        route=f'tls = {{ca = "{ca}", issuer = "{issuer}", issuer_key = "{key}"}}',
        upstream=dead,
    )

    done = gateway("doctor", "--json")

    assert any("issuer.pem expired" in text for _, text in found(done, "route broker"))
    assert any(
        "issuer's key of route broker" in text for state, text in found(done, "permissions") if state == "failed"
    )
