"""The gate: what a program computed becomes exactly what the contract lets leave, or nothing.

It runs in a cell of its own that holds no key, because it parses what another cell wrote.
"""
