"""The session core: one machine for every protocol.

    bytes ─▶ Dialect.feed ─▶ Session.handle(event) ─▶ [Action] ─▶ net executes ─▶ event ...

A Dialect finds logins in a byte stream; it can never admit. The Session decides what happens next; it never
touches a socket. The Authority judges; it never sees a byte. `now` is an argument everywhere: nothing in this
package reads a clock, opens a socket, logs, or imports from any other package of the gateway.
"""
