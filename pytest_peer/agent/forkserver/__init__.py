"""The fork server itself, and what it does in a child before the agent runs."""
