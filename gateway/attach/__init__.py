"""The client's sidecar (BY-10): on the trader's side, with the TOTP key; adds the code to every login that passes.

    client ─▶ dialect (finds logins, edits them) ─▶ passage ─ turns: may a code go now? ─▶ upstream (the gateway)
    client ◀──────────────── bytes as they come ◀─ dialect (reads answers along) ◀─────────┘

`dialect` is the contract, `fix` and `amqp` fulfil it; they, `key`, `turns` and `passage` are pure (but for reading the key
file); `client` and `server` hold the sockets. It must not re-encode what is no login, say anything of its own but AMQP's
heartbeats, or know the gateway's store and authority.
"""
