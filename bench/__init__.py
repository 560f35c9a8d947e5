"""The bench: direct, HAProxy, nginx, a raw uvloop pipe and the gateway, measured in one run and alternating.

It measures and prints; it judges nothing and no test depends on it. Only `gateway_peer.py` knows how the gateway is
configured and how its users are made; only `hotpath.py` calls into it.
"""
