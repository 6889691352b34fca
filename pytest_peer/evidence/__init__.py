"""What a peer leaves behind: its artifacts, its output and its stacks."""
