"""Maintenance alerts: what notes and readings say of covers, power, tanks and climate, and what became of it.

`reading` finds what one note says (pure), by the rules in `rules/`. `history` makes of a piano's notes, in their order,
the alerts that follow from them (pure). `scan` reads what is new and writes both; `alerts` is what people see and
decide; `digest` is what they are told.
"""
