"""How the store came to be what `schema.py` says, one step a file; run by `gateway.store.migrate`, never by hand."""
