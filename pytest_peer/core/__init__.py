"""Words and primitives: errors, states, names, options, the clock and the event loop."""
