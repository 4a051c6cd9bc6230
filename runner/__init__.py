"""The long-lived process in the confidential VM: the only place where plaintext exists."""
