"""The confidential machine of a stack: simulated hardware, and a runner on it."""
