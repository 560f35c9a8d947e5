"""FIX 4.x and FIXT.1.1, session layer only. The way of the bytes:

    client ─▶ framing ─▶ logon (venue) ─▶ dialect: Found ──▶ verdict
                                             │ admitted: secrets cut (fields.edit), 789 mapped (line)
                                             │ refused:  continuity.refusal ─▶ messages.logout
    after admission, per chunk:  watch ──whole messages──▶ other side
                                   └─ odd, session-level or holes ─▶ passing ─▶ exact ─▶ line (holes) ─▶ other side

`framing` finds where messages end; `fields` reads and edits them; `continuity` is what is remembered between
connections, `line` the numbers of a live one. Nothing here does I/O, and nothing re-encodes what a peer sent.
"""
