"""The client's sidecar (BY-10): on the trader's side, with the TOTP key; adds the code to every FIX Logon that passes.

    client ─▶ stream (finds Logons) ─▶ passage ─ turns: may a code go now? ─▶ logon: the edit ─▶ upstream (the gateway)
    client ◀──────────────── bytes as they come ◀─ stream (reads answer, Logout text) ◀─────────┘

`key`, `turns`, `logon`, `stream` and `passage` are pure (but for reading the key file); `server` holds the sockets.
It must not re-encode a message, say anything of its own to either side, or know the gateway's store and authority.
"""
