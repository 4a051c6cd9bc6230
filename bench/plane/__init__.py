"""Benchmarks of the control plane, with the limits that they have to keep."""
