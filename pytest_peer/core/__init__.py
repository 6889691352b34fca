"""Words and primitives that every other room uses: errors, states, options, names, the clock, the event loop."""
