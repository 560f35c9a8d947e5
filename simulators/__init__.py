"""The gateway's counterparties, for tests, demos and trying things by hand: an exchange and a trading algorithm.

Both are real QuickFIX engines (extra `simulators`) with their own way of reading and writing messages.
They must not import the gateway, so that a codec's bug can't cancel itself.
"""
