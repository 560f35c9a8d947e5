import pytest

from gateway.net.spec import StartError, TlsSpec, UpstreamTlsSpec
from gateway.net.tls import common_name, server_context, upstream_context
from tests.blackbox.net_certificates import Authority


@pytest.mark.req("SF-17")
@pytest.mark.parametrize("ciphers", ["AES128-SHA", "ALL", "ECDHE+AES", "AES256-GCM-SHA384", "nonsense"])
def test_weak_ciphers_are_refused_by_name(tmp_path, ciphers):
    pair = Authority(tmp_path).issue("front")

    with pytest.raises(StartError, match="cipher"):
        server_context(TlsSpec(pair.certificate, pair.key, ciphers=ciphers))


@pytest.mark.req("SF-17")
def test_nothing_older_than_tls_1_2_is_spoken(tmp_path):
    pair = Authority(tmp_path).issue("front")

    with pytest.raises(StartError, match=r"choose 1\.2 or 1\.3"):
        server_context(TlsSpec(pair.certificate, pair.key, minimum="1.1"))


def test_a_certificate_that_cannot_be_read_is_named(tmp_path):
    missing = tmp_path / "missing.pem"

    with pytest.raises(StartError, match=r"missing\.pem.*No such file"):
        server_context(TlsSpec(missing, missing))


def test_a_key_of_another_certificate_is_refused(tmp_path):
    ca = Authority(tmp_path)

    with pytest.raises(StartError, match="can't use certificate"):
        server_context(TlsSpec(ca.issue("a").certificate, ca.issue("b").key))


def test_an_authority_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(StartError, match=r"none\.pem"):
        upstream_context(UpstreamTlsSpec(tmp_path / "none.pem"))


@pytest.mark.parametrize(
    ("expected", "subject"),
    [
        ("algo7", "CN=algo7"),
        ("algo7", "CN=algo7,OU=desk,O=firm,C=DE"),
        ("a,b", "CN=a\\,b,O=firm"),
        ("", "O=firm"),
        ("", ""),
        ("", "CN=ann,CN=root"),
        ("", "CN=ann+CN=root"),
        ("", "no name at all"),
    ],
)
def test_the_common_name_is_one_or_none(expected, subject):
    assert common_name(subject) == expected
