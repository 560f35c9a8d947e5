"""AMQP 0-9-1 as RabbitMQ speaks it, with a venue's login request inside. The way of the bytes:

    client ─▶ frames ─▶ greeting (handshake) ─▶ client (gate: allow-list) ─▶ broker
                                                  └─ publishes
                                                       ├─ a login request, collected whole (content, requests) ─▶ Found ─▶ verdict
                                                       └─ any other: swallowed, its sender told (replies, confirms)
    broker ─▶ frames ─▶ greeting ─▶ broker (the login's answer; acks renumbered) ─▶ client
    while the session passes:  watch ──whole frames──▶ other side
                                 └─ odd ─▶ client | broker, frame by frame
    at its end:  parting ─▶ LogoutReq on the channel that no client was offered

`line` is what they share; `venue`, `requests`, `answers` and `parcel` know the venue's words. Nothing here does I/O, and nothing
that passes is decoded and encoded again.
"""
