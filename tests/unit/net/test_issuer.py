"""A client is presented to the broker under its own common name, by a certificate that lives for minutes."""

import asyncio
import datetime as dt
import ssl

import pytest
from cryptography import x509

from gateway.net.issuer import VALID, Issuer
from gateway.net.spec import IssuerSpec, StartError, UpstreamSpec, UpstreamTlsSpec
from gateway.net.tls import common_name
from gateway.net.upstream import UnreachableError, Upstream
from gateway.observe.journal import Journal
from tests.blackbox.net_certificates import Authority


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """An authority that the broker trusts for its clients, as a pair of files, and one for the broker itself."""
    ours, theirs = Authority(tmp_path_factory.mktemp("ours")), Authority(tmp_path_factory.mktemp("theirs"))
    return ours, theirs, IssuerSpec(ours.ca, ours.ca_key)


@pytest.fixture
async def broker(world):
    """A TLS server that demands a client certificate of our issuer, and keeps what it was shown."""
    ours, theirs, _ = world
    pair = theirs.issue("broker")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pair.certificate, pair.key)
    tls.load_verify_locations(ours.ca)
    tls.verify_mode = ssl.CERT_REQUIRED
    shown = []

    async def serve(_reader, writer):
        shown.append(x509.load_der_x509_certificate(writer.get_extra_info("ssl_object").getpeercert(binary_form=True)))
        writer.write(b"hello")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    server.shown = shown
    server.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield server
    server.close()


class Reader(asyncio.Protocol):
    """Reads to the end: with TLS 1.3 a refused certificate shows only then."""

    def __init__(self):
        self.data, self.over = b"", asyncio.get_running_loop().create_future()

    def data_received(self, data):
        self.data += data

    def connection_lost(self, exc):
        self.over.set_result(self.data)


async def dial(address, tls, identity):
    made = []
    upstream = Upstream(UpstreamSpec("m7", (address,), tls), Journal())
    await upstream.dial(lambda: made.append(Reader()) or made[-1], identity)
    return await asyncio.wait_for(made[-1].over, 10)


@pytest.mark.req("M7-13")
async def test_the_broker_sees_the_clients_common_name_for_a_few_minutes(world, broker):
    _, theirs, issuer = world

    assert await dial(broker.address, UpstreamTlsSpec(theirs.ca, issuer=issuer), "algo7") == b"hello"

    (certificate,) = broker.shown
    assert common_name(certificate.subject.rfc4514_string()) == "algo7"
    assert certificate.not_valid_after_utc - dt.datetime.now(dt.UTC) <= VALID


@pytest.mark.req("M7-13")
async def test_a_name_with_commas_and_equals_signs_stays_one_name(world, broker):
    _, theirs, issuer = world
    name = 'ann, CN=root + "x"\\'

    await dial(broker.address, UpstreamTlsSpec(theirs.ca, issuer=issuer), name)

    assert common_name(broker.shown[0].subject.rfc4514_string()) == name


@pytest.mark.req("M7-13")
async def test_a_client_without_a_certificate_is_presented_as_nobody(world, broker):
    _, theirs, issuer = world

    try:
        told = await dial(broker.address, UpstreamTlsSpec(theirs.ca, issuer=issuer), "")
    except UnreachableError:
        told = b""

    assert told == b""
    assert not broker.shown


def context():
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def test_a_context_is_used_again_until_half_its_certificates_life_is_over(world):
    issuer = Issuer(world[2], context)
    half = VALID.total_seconds() / 2

    first = issuer.context("ann", 0.0)

    assert issuer.context("ann", half - 1) is first
    assert issuer.context("bob", 0.0) is not first
    assert issuer.context("ann", half) is not first


def test_the_cache_is_bounded_and_forgets_the_oldest_name(world, monkeypatch):
    monkeypatch.setattr("gateway.net.issuer.CACHED", 2)
    issuer = Issuer(world[2], context)
    ann = issuer.context("ann", 0.0)
    bob = issuer.context("bob", 0.0)

    issuer.context("cid", 0.0)

    assert issuer.context("bob", 0.0) is bob
    assert issuer.context("ann", 0.0) is not ann


def test_a_key_that_is_not_the_issuers_stops_the_start(world, tmp_path):
    ours, _, _ = world
    with pytest.raises(StartError, match="is not that of the issuer"):
        Issuer(IssuerSpec(ours.ca, Authority(tmp_path).ca_key), context)


def test_an_issuer_that_is_not_there_stops_the_start(world, tmp_path):
    with pytest.raises(StartError, match="can't use issuer"):
        Issuer(IssuerSpec(tmp_path / "none.pem", tmp_path / "none.key"), context)
