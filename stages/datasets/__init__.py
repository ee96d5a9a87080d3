"""The data: where it comes from, how it is read safely, its label noise and its splits."""
