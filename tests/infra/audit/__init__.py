"""What takes minutes and the network: `make infra-audit`."""
