"""Whether another run comes to the results that are committed, and who has found that it does."""
