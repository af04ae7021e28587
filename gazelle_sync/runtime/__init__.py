"""The process and its surroundings: embedded servers, logs, signals, memory, the supervisor behind `up`."""
