"""The process and its surroundings: embedded servers, logs, signals, memory, the supervisor behind `up`."""

DESK_PORT = 8765
"""Where the desk listens unless another port is said."""
DESK_URL = f"http://127.0.0.1:{DESK_PORT}"
