-- The rows about a piano, kept from others until the transaction ends.
SELECT to_jsonb(t) FROM vincent_dindy_piano_updates AS t WHERE gazelle.bare_id(t.gazelle_id::text) = %(id)s FOR UPDATE
