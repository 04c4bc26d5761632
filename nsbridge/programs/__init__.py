"""The programs that run as processes of their own: client, echo server, bridge."""
