"""What a peer leaves behind: its output and its artifacts."""
