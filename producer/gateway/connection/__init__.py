"""What one connection may send, and how many of them there may be. May import uvicorn only."""
