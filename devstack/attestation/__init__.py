"""An attestation service with the REST API of Azure's, which verifies evidence for real.

It believes AMD, and synthetic hardware if it is told to. What Azure's service does beyond checking
signatures and digests (reading boot logs, rating firmware) it does not, and the claims that would
come of it are constants (`claims.machine`).
"""
