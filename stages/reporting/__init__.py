"""The site in `reports/`: what its tables and charts hold, how they look, and how pages are put together."""
