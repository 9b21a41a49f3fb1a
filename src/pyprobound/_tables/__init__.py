"""The parts of `pyprobound.table`."""
