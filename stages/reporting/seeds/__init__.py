"""The pages on the seed documents' experiments, one module each."""
