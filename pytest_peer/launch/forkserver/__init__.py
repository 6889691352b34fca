"""The origin's side of the fork server: its client, and the peers that it forks."""
