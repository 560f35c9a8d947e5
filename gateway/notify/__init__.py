"""Telling people and machines what happened: by mail, by signed webhook, over a broker.

    audit chain ─▶ Follower ─▶ told (pure: who is told what) ─▶ outbox ─▶ Carrier ─▶ Mail | Webhook | Broker
                       link's letter, sent code ─▶ Queue ────────▲

Nothing here stands in a login's way: a row of the record is read after it was committed, and what it says waits in the
store until somebody has taken it. At least once: `Claimed.key` is the same at each try, so that receivers can tell.
"""
