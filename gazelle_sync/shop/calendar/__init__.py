"""The shop's calendar: drafts of visits and what is wrong with them, conflicts, notices, .ics files, the agenda."""
