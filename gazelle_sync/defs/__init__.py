"""The Dagster definitions: assets, checks, jobs, schedules, sensors, resources, by flow. Only here is Dagster imported.

A definition says what it is called, when it runs and what it depends on, and calls the room that does the work.
"""
