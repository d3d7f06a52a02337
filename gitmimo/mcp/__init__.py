"""The MCP server: read-only tools, and `start` if allowed."""
