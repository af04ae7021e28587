"""The desk: the pages on which the shop's people see and do everything, in French or English.

Rendered here, on the server: each page and each form works without script. What a page shows and changes is the work of
the other packages; here are only pages, forms, and who may use them.
"""
