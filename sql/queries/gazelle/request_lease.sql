-- Return tokens of the request budget, renew those that are held, take more. Gives the tokens held now: in how many
-- seconds each may be used, and in how many its term ends.
SELECT token, starts_in_s, ends_in_s
FROM gazelle_lease_requests(
    %(holder)s, %(wanted)s, %(tokens)s, %(term_s)s, %(returned)s::integer[], %(free_in_s)s::double precision[]
)
