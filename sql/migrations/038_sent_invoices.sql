-- Drafts of invoices that a person sends go to Gazelle, and so does what is paid on them. A draft's row is what is pushed:
-- its lines stand in `billed_lines` as Gazelle takes them, once a check has computed them. It stays here until it is sent.

ALTER TABLE public.invoice_drafts
    ADD COLUMN IF NOT EXISTS billed_lines jsonb,
    ADD COLUMN IF NOT EXISTS gazelle_status text,
    ADD COLUMN IF NOT EXISTS gazelle_sub_total numeric(12, 2),
    ADD COLUMN IF NOT EXISTS gazelle_tax_total numeric(12, 2),
    ADD COLUMN IF NOT EXISTS gazelle_total numeric(12, 2),
    ADD COLUMN IF NOT EXISTS mark uuid NOT NULL DEFAULT gen_random_uuid(),
    ADD COLUMN IF NOT EXISTS send_requested_at timestamptz,
    ADD COLUMN IF NOT EXISTS emailed_at timestamptz,
    ADD COLUMN IF NOT EXISTS email_status text CHECK (email_status IN ('in_doubt', 'sent')),
    ADD COLUMN IF NOT EXISTS needs_sync boolean DEFAULT true,
    ADD COLUMN IF NOT EXISTS last_synced_at timestamptz,
    ADD COLUMN IF NOT EXISTS sync_error text;
ALTER TABLE public.invoice_drafts
    ADD COLUMN IF NOT EXISTS stays_here boolean
    GENERATED ALWAYS AS (status NOT IN ('ready', 'sent') OR gazelle_status IS NULL) STORED;
CREATE INDEX IF NOT EXISTS invoice_drafts_needs_sync ON public.invoice_drafts (id) WHERE needs_sync;
CREATE INDEX IF NOT EXISTS invoice_drafts_record ON public.invoice_drafts ((
    nullif(btrim(external_id::text, E' \t\n\r\f\u000B\u00A0\u2007\u2009\u200A\u200B\u200C\u200D\u202F\u2060\u3000\uFEFF'), '')
));
COMMENT ON COLUMN public.invoice_drafts.billed_lines IS
    'Its lines in Gazelle''s units, with their taxes spelled out, as the last check computed them; null: changed since.';
COMMENT ON COLUMN public.invoice_drafts.gazelle_status IS
    'What Gazelle is to make of it (OPEN), and what it is there by now; null: nobody has sent it.';
COMMENT ON COLUMN public.invoice_drafts.gazelle_total IS
    'What Gazelle computed where that is not what the check computed: then the draft is held.';
COMMENT ON COLUMN public.invoice_drafts.mark IS
    'Stands in the notes of the invoice at Gazelle until it is opened: it is known again by it if no answer came.';
COMMENT ON COLUMN public.invoice_drafts.send_requested_at IS 'When somebody last sent it.';
COMMENT ON COLUMN public.invoice_drafts.email_status IS
    'sent: the client has the e-mail; in_doubt: perhaps, and it is never sent again by itself.';
COMMENT ON COLUMN public.invoice_drafts.stays_here IS 'Nothing of it goes to Gazelle: it was not sent, or it is held.';
COMMENT ON COLUMN public.invoice_drafts.needs_sync IS
    'It was sent, or edited since, and Gazelle does not have it yet.';
COMMENT ON COLUMN public.invoice_drafts.sync_error IS 'Why Gazelle does not have it yet, and what to do.';

-- What was checked is no longer so once it is changed. The header of an invoice that was sent goes to Gazelle like any
-- edit; lines and client have to be checked and sent again. What the push itself writes is no edit.
CREATE OR REPLACE FUNCTION gazelle.uncheck_invoice_draft() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    is_other_sum CONSTANT boolean :=
        (NEW.client_external_id, NEW.lines) IS DISTINCT FROM (OLD.client_external_id, OLD.lines);
    is_other_header CONSTANT boolean :=
        (NEW.contact_external_id, NEW.due_on, NEW.net_days, NEW.notes, NEW.top_notes, NEW.tags, NEW.assigned_to_external_id)
        IS DISTINCT FROM
        (OLD.contact_external_id, OLD.due_on, OLD.net_days, OLD.notes, OLD.top_notes, OLD.tags, OLD.assigned_to_external_id);
BEGIN
    IF current_setting('gazelle_sync.pushing', true) = 'on' THEN
        IF NEW.status = 'held' THEN
            NEW.needs_sync := false;
        END IF;
        RETURN NEW;
    END IF;
    IF (is_other_sum OR is_other_header) AND NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at THEN
        NEW.updated_at := clock_timestamp();
    END IF;
    IF is_other_sum OR (is_other_header AND OLD.status <> 'sent') THEN
        NEW.sub_total := NULL;
        NEW.tax_total := NULL;
        NEW.total := NULL;
        NEW.billed_lines := NULL;
        NEW.gazelle_sub_total := NULL;
        NEW.gazelle_tax_total := NULL;
        NEW.gazelle_total := NULL;
        NEW.gazelle_status := NULL;
        IF NEW.status IN ('ready', 'sent', 'held') THEN
            NEW.status := 'draft';
        END IF;
    END IF;
    IF NEW.status NOT IN ('ready', 'sent') OR NEW.gazelle_status IS NULL THEN
        NEW.needs_sync := false;
    END IF;
    RETURN NEW;
END
$$;

-- A draft that nobody has sent does not wait for anything. Its name comes after gazelle_mark_edit's: that one marks it.
CREATE OR REPLACE FUNCTION gazelle.keep_invoice_draft() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    NEW.needs_sync := NEW.status IN ('ready', 'sent') AND NEW.gazelle_status IS NOT NULL;
    RETURN NEW;
END
$$;

-- Lines that Gazelle's side won with replace those here.
CREATE OR REPLACE FUNCTION gazelle.follow_invoice_lines() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF current_setting('gazelle_sync.pushing', true) IS DISTINCT FROM 'on' THEN
        RETURN NULL;
    END IF;
    DELETE FROM public.invoice_draft_items WHERE draft_id = NEW.id;
    INSERT INTO public.invoice_draft_items (
        draft_id, position, description, product_external_id, piano_external_id, quantity, amount, billable, taxable, taxes,
        item_type
    )
    SELECT
        NEW.id, l.place, l.line ->> 'description', l.line ->> 'product', l.line ->> 'piano',
        round((l.line ->> 'quantity')::numeric / 100, 2), round((l.line ->> 'amount')::numeric / 100, 2),
        (l.line ->> 'billable')::boolean, (l.line ->> 'taxable')::boolean,
        (SELECT coalesce(jsonb_agg(t -> 'id'), '[]') FROM jsonb_array_elements(l.line -> 'taxes') AS t),
        l.line ->> 'type'
    FROM jsonb_array_elements(NEW.billed_lines) WITH ORDINALITY AS l (line, place);
    RETURN NULL;
END
$$;

CREATE TABLE IF NOT EXISTS public.invoice_draft_payments (
    id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    draft_id bigint REFERENCES public.invoice_drafts (id),
    invoice_external_id text,
    -- Without a scale: a numeric(12, 2) would round without a word.
    amount numeric NOT NULL CHECK (amount > 0 AND amount <= 9999999999.99 AND amount = round(amount, 2)),
    tip numeric NOT NULL DEFAULT 0 CHECK (tip >= 0 AND tip = round(tip, 2)),
    type text NOT NULL DEFAULT 'OTHER' CHECK (type IN (
        'CASH', 'CHECK', 'CREDIT_CARD', 'DEBIT_CARD', 'ACH', 'ELECTRONIC_FUNDS_TRANSFER', 'OTHER', 'PAYPAL', 'SEPA', 'VENMO',
        'ZELLE', 'BANCONTACT', 'EPS', 'GIROPAY', 'IDEAL', 'SOFORT', 'P24'
    )),
    notes text,
    paid_at timestamptz NOT NULL DEFAULT date_trunc('second', now()),
    external_id text UNIQUE,
    waits boolean GENERATED ALWAYS AS (invoice_external_id IS NULL) STORED,
    needs_sync boolean DEFAULT true,
    last_synced_at timestamptz,
    sync_error text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz DEFAULT now(),
    updated_by text DEFAULT current_user,
    CHECK (tip <= amount),
    CHECK (draft_id IS NOT NULL OR invoice_external_id IS NOT NULL)
);
DO $$
BEGIN
    IF NOT EXISTS (
        SELECT
        FROM pg_catalog.pg_constraint
        WHERE contype = 'f'
            AND conrelid = 'public.invoice_draft_payments'::regclass
            AND confrelid = 'public.invoice_drafts'::regclass
    ) THEN
        ALTER TABLE public.invoice_draft_payments
            ADD FOREIGN KEY (draft_id) REFERENCES public.invoice_drafts (id) NOT VALID;
    END IF;
END
$$;
CREATE INDEX IF NOT EXISTS invoice_draft_payments_needs_sync ON public.invoice_draft_payments (id) WHERE needs_sync;
CREATE INDEX IF NOT EXISTS invoice_draft_payments_draft ON public.invoice_draft_payments (draft_id);
CREATE INDEX IF NOT EXISTS invoice_draft_payments_invoice ON public.invoice_draft_payments (invoice_external_id);
CREATE INDEX IF NOT EXISTS invoice_draft_payments_record ON public.invoice_draft_payments ((
    nullif(btrim(external_id::text, E' \t\n\r\f\u000B\u00A0\u2007\u2009\u200A\u200B\u200C\u200D\u202F\u2060\u3000\uFEFF'), '')
));
COMMENT ON TABLE public.invoice_draft_payments IS
    'What was paid on invoices and is entered here: each goes to Gazelle once, and is not changed there.';
COMMENT ON COLUMN public.invoice_draft_payments.draft_id IS 'The draft of the invoice: the payment goes once that was sent.';
COMMENT ON COLUMN public.invoice_draft_payments.invoice_external_id IS 'The invoice at Gazelle; filled in from the draft.';
COMMENT ON COLUMN public.invoice_draft_payments.amount IS 'What was paid in all, the tip included, in dollars.';
COMMENT ON COLUMN public.invoice_draft_payments.external_id IS 'Gazelle''s id of the payment.';
COMMENT ON COLUMN public.invoice_draft_payments.waits IS 'Its invoice is not at Gazelle yet.';
COMMENT ON COLUMN public.invoice_draft_payments.needs_sync IS 'Gazelle does not have it yet.';
COMMENT ON COLUMN public.invoice_draft_payments.sync_error IS 'Why Gazelle does not have it yet, and what to do.';

-- A payment of a draft goes to the invoice that was made of it: at once, or when it is sent.
CREATE OR REPLACE FUNCTION gazelle.name_paid_invoice() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NEW.invoice_external_id IS NULL THEN
        SELECT d.external_id INTO NEW.invoice_external_id
        FROM public.invoice_drafts AS d
        WHERE d.id = NEW.draft_id AND d.gazelle_status IS NOT NULL AND d.status = 'sent';
    END IF;
    RETURN NEW;
END
$$;
CREATE OR REPLACE FUNCTION gazelle.release_payments() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE public.invoice_draft_payments
    SET invoice_external_id = NEW.external_id
    WHERE draft_id = NEW.id AND invoice_external_id IS NULL;
    RETURN NULL;
END
$$;

SELECT gazelle.push_table(
    'public.invoice_drafts', 'id', 'external_id', 'forget',
    'client_external_id', 'contact_external_id', 'assigned_to_external_id', 'due_on', 'net_days', 'notes', 'top_notes', 'tags',
    'billed_lines', 'gazelle_status', 'status', 'send_requested_at', 'sub_total', 'tax_total', 'total', 'mark'
);
SELECT gazelle.push_table(
    'public.invoice_draft_payments', 'id', 'external_id', 'forget', 'amount', 'tip', 'type', 'notes', 'paid_at'
);
CREATE OR REPLACE TRIGGER gazelle_new_draft BEFORE INSERT ON public.invoice_drafts
FOR EACH ROW EXECUTE FUNCTION gazelle.keep_invoice_draft();
CREATE OR REPLACE TRIGGER gazelle_follow_lines AFTER UPDATE OF billed_lines ON public.invoice_drafts
FOR EACH ROW WHEN (NEW.billed_lines IS DISTINCT FROM OLD.billed_lines)
EXECUTE FUNCTION gazelle.follow_invoice_lines();
CREATE OR REPLACE TRIGGER gazelle_release_payments AFTER UPDATE OF status ON public.invoice_drafts
FOR EACH ROW WHEN (NEW.status = 'sent' AND NEW.external_id IS NOT NULL)
EXECUTE FUNCTION gazelle.release_payments();
CREATE OR REPLACE TRIGGER gazelle_name_invoice BEFORE INSERT ON public.invoice_draft_payments
FOR EACH ROW EXECUTE FUNCTION gazelle.name_paid_invoice();

-- What the daily digest told of payments: each once, whenever it arrived here, and one digest a day.
CREATE TABLE IF NOT EXISTS public.cash_told (
    payment_external_id text PRIMARY KEY,
    day date NOT NULL,
    told_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS cash_told_day ON public.cash_told (day);
COMMENT ON TABLE public.cash_told IS 'The payments that the daily cash digest told of, or left out because they are old.';
COMMENT ON COLUMN public.cash_told.day IS 'Montreal day at whose 18:00 that digest was due.';

DO $$
DECLARE
    visitor text;
    ours text;
BEGIN
    FOR visitor IN
        SELECT 'PUBLIC'
        UNION ALL
        SELECT quote_ident(rolname) FROM pg_catalog.pg_roles WHERE rolname IN ('anon', 'authenticated')
    LOOP
        FOREACH ours IN ARRAY ARRAY[
            'keep_invoice_draft()', 'follow_invoice_lines()', 'name_paid_invoice()', 'release_payments()'
        ] LOOP
            EXECUTE format('REVOKE ALL ON FUNCTION gazelle.%s FROM %s', ours, visitor);
        END LOOP;
    END LOOP;
END
$$;

DO $$
BEGIN
    IF (
        SELECT count(*) < 3
        FROM pg_catalog.pg_roles
        WHERE rolname IN ('gazelle_reader', 'gazelle_writer', 'gazelle_owner')
    ) THEN
        RAISE NOTICE 'Nothing was granted: the three roles do not all exist.';
        RETURN;
    END IF;
    GRANT ALL ON public.invoice_draft_payments, public.cash_told TO gazelle_owner;
    GRANT SELECT, INSERT, UPDATE, DELETE ON public.invoice_draft_payments, public.cash_told TO gazelle_writer;
    GRANT SELECT ON public.invoice_draft_payments, public.cash_told TO gazelle_reader;
    ALTER TABLE public.invoice_draft_payments OWNER TO gazelle_owner;
    ALTER TABLE public.cash_told OWNER TO gazelle_owner;
EXCEPTION
    WHEN insufficient_privilege THEN RAISE NOTICE 'Nothing was granted: %', SQLERRM;
END
$$;

SELECT gazelle.close_data_api('public.invoice_draft_payments', 'public.cash_told');
