"""The gateway's own connections to the brokers: messages that do not travel on a client's line.

    net ─▶ Couriers.post | deliver ─▶ Line (one connection per route, opened when first needed) ─▶ RabbitMQ

It publishes what a dialect wrote down (`Parcel`): an answer to a client whose message was swallowed, and the word of a
session's end where its own line is gone. It decides nothing, and never reads a queue.
"""
