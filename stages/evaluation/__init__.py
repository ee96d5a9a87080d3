"""What trained networks are tried on besides the test set, and what they are compared with. Opens no files."""
