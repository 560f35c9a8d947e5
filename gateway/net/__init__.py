"""The sockets: what listens, what dials, and the glue that runs one `core.session.Session` per connection.

    listener ─▶ connection (two legs, one session) ─▶ pipe          the way of the bytes
    server ─▶ janitor                                               the way of time, kicks and shutdown

It executes the session's actions and reports what happened to it; it decides nothing about logins. It knows
logins, policies and stores only through `core.authority.Authority`.
"""
