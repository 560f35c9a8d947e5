"""The HTTP API: the portal's use-cases as JSON, for programs. It decides nothing either.

A bearer token is a session of the portal (`SignIn`); cookies are not looked at, so that no other site can use them.
"""
