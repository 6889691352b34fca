"""Both ends of a connection that a launcher carries on its stdin and stdout."""
