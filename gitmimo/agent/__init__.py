"""Agents: strategies, protocols and prompts that produce a change. Independent of the evaluator."""
