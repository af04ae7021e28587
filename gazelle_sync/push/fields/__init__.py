"""The kinds of field that a local table may have, and what each becomes at Gazelle. Pure.

A field is a scalar, owned tags, a text block of ours in a foreign text, or something that is added (a comment, a
record, and what a kind of record defines besides). Those that write an attribute know how to put it back as well
(`restored`), and what the attribute says of them (`facts_of`).

A column's three-way base is what both sides last agreed on. For a column that was never sent it is what Gazelle's
record was when the row was edited, if a pull had read it by then, or our last push; else Gazelle's own value, if it is
older than the edit.
"""
