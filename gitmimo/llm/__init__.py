"""Calls to models: routes, prices, the budget ledger and the embedded local model."""
