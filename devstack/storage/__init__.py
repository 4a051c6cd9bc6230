"""Storage: Azurite from npm, behind a front that speaks TLS, knows identities and emits events.

- Azurite keeps the blobs (`azurite.py` says how to start it, `azurite.cjs` what is demanded of it).
- The front passes requests on as they came, so that signatures hold; it takes tokens of identities
  (`access.py`), and tells Event Grid of every committed write once (`outbox.py`).
"""

ACCOUNT = "cleanroom"
EVENT_TOPIC = "storage"
