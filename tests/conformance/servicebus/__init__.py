"""Microsoft's live tests of azure-servicebus, unmodified, against the bus (make conformance)."""
