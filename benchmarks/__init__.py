"""What shoptalk costs, beside what the same work costs at the least. `python -m benchmarks`."""
