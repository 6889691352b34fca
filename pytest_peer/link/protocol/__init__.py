"""The wire protocol, for both sides of the link: also sent to the peer as source."""
