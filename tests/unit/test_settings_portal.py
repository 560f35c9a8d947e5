"""The portal's address: what browsers could not be sent to, or would not send back, is refused at start."""

import pytest

from gateway.settings.portal import PortalSettings


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "must be set"),
        ("http://portal.example", "https://"),
        ("https://portal.example/path", "root"),
        ("https://portal.example/?a=b", "root"),
        ("https://portal.example:443", "without :443"),
        ("http://localhost:80", "without :80"),
    ],
)
def test_an_address_that_no_browser_would_come_back_from_is_refused(url: str, why: str):
    with pytest.raises(ValueError, match=why):
        PortalSettings(address="127.0.0.1:8480", url=url, plain=True)


@pytest.mark.parametrize("url", ["https://portal.example", "https://portal.example:8443/", "http://localhost:8480"])
def test_an_address_with_or_without_a_port_of_its_own_is_taken(url: str):
    assert PortalSettings(address="127.0.0.1:8480", url=url, plain=True).url == url
