"""The portal: web pages and an HTTP API over the use-cases of `gateway.auth` (what every page is for: docs/portal.md).

It decides nothing itself: who may do what, and what a proof is worth, is asked of `Office` each time.
"""
