"""Training: the loop over epochs, the search over steps, and what they report."""
