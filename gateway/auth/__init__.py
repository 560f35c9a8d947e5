"""The use-cases: judging a login (`verify`), keeping its record (`authority`), and administering users (`users`).

    attempt ─▶ Verifier: snapshot ─▶ policy.decide ─▶ password, off the loop ─▶ store.apply ─▶ verdict, at the floor

Nothing here opens a socket or knows a protocol. Whatever goes wrong is "no" (UNAVAILABLE), said in one place.
"""
