"""Outcomes into the result store; what came back from a lost worker. May import `engine_room`."""
