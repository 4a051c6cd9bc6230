"""Local servers that speak Azure's wire protocols, for development and tests."""
