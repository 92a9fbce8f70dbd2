"""The tests: unit (no I/O), contract (one suite for each kind of part), scenarios, integration (a real broker), statistics."""
