"""What a party reaches by network: its identity, its vault, storage, the control plane's API."""
