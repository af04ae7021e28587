"""What an older system left as CSV files, made into rows of this database (`gazelle-sync import`).

A file is read into rows (`files`), its kind told by its headers (`kinds`), each row read into typed values (`records`,
by the pure conversions of `values`), held against what is there (`matching`) and written (`writer`), chunk by chunk,
each in one transaction with what staging_import says of it (`session`). `report` tells what became of every row.
"""
