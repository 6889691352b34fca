"""What happens to packets between hosts: the switch, and what stands in their way."""
