"""Benchmarks: ratios against a peer, or limits, measured in one run. `callwright bench`, `docs/benchmarks.md`."""
