"""The seed documents' own experiments, one module each, reproduced and then done fairly."""
