"""Runs the servers of the dev stack as one: which they are, where they listen, that they stay up.

- `settings`, `ports`, `environment` and `plan` decide, without input or output.
- `supervisor` and `keeper` start, watch and restart the processes, from one small process.
- `control` is what the commands do with it; `folder` and `records` are what the two say by.
"""
