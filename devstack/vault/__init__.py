"""Key Vaults, one per party: Azure's REST API for keys and secrets, with Secure Key Release."""
