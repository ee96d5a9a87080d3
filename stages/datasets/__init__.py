"""The data: where it comes from, how it is read safely, its label sets and its splits."""
