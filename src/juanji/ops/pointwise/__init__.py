"""Grouped 1x1 convolution between two shuffles: a matrix product for each group. See README.md."""
