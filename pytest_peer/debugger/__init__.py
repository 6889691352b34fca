"""Debuggers in peers, at the user's terminal; `agent.debugger` is their other end."""
