"""The benchmark suite of the sealed file: `make bench`, explained in docs/benchmarks.md."""
