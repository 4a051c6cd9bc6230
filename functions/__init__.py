"""The control plane in Azure Functions: sees names, digests and ciphertext, never a key."""
