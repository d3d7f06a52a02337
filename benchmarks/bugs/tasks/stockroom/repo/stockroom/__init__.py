"""Goods in a stockroom."""
