"""What outlives a process: users, sealed keys, burnt steps, sessions, stream memories, orders and the audit chain.

`ports.py` says what it offers, `store.py` opens it, `schema.py` is its shape. SQLite or PostgreSQL underneath; the
contract tests run over both. It judges nothing: `gateway.policy` decides, `gateway.auth` drives.
"""
