"""Simulated experiments, and the comparison of motifs."""
