"""Making products: strategies, protocols, context. Knows nothing of who judges."""
