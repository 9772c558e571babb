"""The primitives: operators with an inner loop of their own, one folder each."""
