"""An application: a shop that sells what it has."""
