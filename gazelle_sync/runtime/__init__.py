"""The process and what is started beside it: embedded servers, logs, signals, memory, the supervisor behind `up`."""
