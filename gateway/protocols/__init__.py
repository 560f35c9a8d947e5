"""The protocols: a folder each, pure bytes in and decisions out.

They implement `gateway.core.dialect` and import nothing else but each its own folder: no socket, clock, database or log,
and never another protocol. `registry.py` names them.
"""
