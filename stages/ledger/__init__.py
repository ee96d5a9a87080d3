"""The ledger: what the seed documents claim, and what the experiments say of it."""
