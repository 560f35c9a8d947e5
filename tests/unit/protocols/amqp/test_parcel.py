import json

import pytest

from gateway.protocols.amqp.parcel import Parcel

PARCEL = Parcel(
    exchange="m7.requestExchange.A",
    routing_key="m7.request.inquiry",
    body=b"<LogoutReq>\n\x00\xff</LogoutReq>",
    content_type="x-m7/request; version=6.0",
    correlation_id="42",
    user_id="A",
    app_id="APP_1",
    reply_to="m7.private.responseQueue.A.é",
    mandatory=False,
)


@pytest.mark.parametrize("parcel", [PARCEL, Parcel("", "q", b""), Parcel("", "\udcff\n\x00", b"\n\n")])
def test_a_parcel_survives_its_bytes(parcel):
    assert parcel == Parcel.decode(parcel.encode())


def test_a_parcel_does_not_show_its_body():
    assert "LogoutReq" not in repr(PARCEL)


HEAD = json.loads(PARCEL.encode().partition(b"\n")[0])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"{}\n",
        b"[]\n",
        b"null\nbody",
        b"\xff\n",
        b"[" * 100_000 + b"\n",
        PARCEL.encode().replace(b"\n", b" "),
        json.dumps({**HEAD, "mandatory": 1}).encode() + b"\n",
        json.dumps({**HEAD, "exchange": None}).encode() + b"\n",
        json.dumps({**HEAD, "body": "x"}).encode() + b"\n",
        json.dumps({"exchange": "", "routing_key": ""}).encode() + b"\n",
    ],
)
def test_anything_else_is_no_parcel(data):
    with pytest.raises(ValueError, match=r"."):
        Parcel.decode(data)
