-- An event table is append-only and partitioned by month. This file holds what all of them are made with;
-- R__Event_partitions.sql makes and detaches their months.

CREATE TABLE event_tables (
  table_name NAME PRIMARY KEY,
  time_column NAME NOT NULL,
  months_ahead INTEGER NOT NULL DEFAULT 3 CHECK (months_ahead BETWEEN 0 AND 24),
  keep_months INTEGER CHECK (keep_months >= 1)
);
COMMENT ON TABLE event_tables IS 'Tables that are partitioned by month: how many months are made ahead and how many are kept attached.';
COMMENT ON COLUMN event_tables.time_column IS 'The partition key. Months begin at midnight UTC.';
COMMENT ON COLUMN event_tables.keep_months IS 'Whole months kept besides the current one; null keeps all of them.';

CREATE TABLE partition_changes (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  table_name NAME NOT NULL,
  month DATE NOT NULL,
  change TEXT NOT NULL CHECK (change IN ('made', 'detached', 'postponed')),
  rows_moved BIGINT,
  note TEXT,
  changed_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE partition_changes IS 'What became of the months of the event tables.';
COMMENT ON COLUMN partition_changes.rows_moved IS 'Rows that had come before their month was made and were taken over from the default partition.';
COMMENT ON COLUMN partition_changes.note IS 'Why a change was postponed.';

CREATE FUNCTION refuse_change() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP
    USING ERRCODE = 'restrict_violation', HINT = 'Correct a wrong row with a new one.';
END
$$;
COMMENT ON FUNCTION refuse_change IS 'Trigger of append-only tables. It stops their owner too, whom no missing grant stops.';

-- PostgreSQL copies a row trigger to every partition of a table, and a TRUNCATE trigger to none.
CREATE PROCEDURE make_append_only(relation REGCLASS) LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format(
    'CREATE OR REPLACE TRIGGER refuse_truncate BEFORE TRUNCATE ON %s EXECUTE FUNCTION public.refuse_change()', relation);
  IF NOT (SELECT relispartition FROM pg_class WHERE oid = relation) THEN
    EXECUTE format(
      'CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION public.refuse_change()',
      relation);
  END IF;
END
$$;
COMMENT ON PROCEDURE make_append_only IS 'Refuses UPDATE, DELETE and TRUNCATE of a table or of a new partition.';

CREATE PROCEDURE make_event_table(name NAME, time_column NAME, keep_months INTEGER DEFAULT NULL) LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('CREATE TABLE partitions.%I PARTITION OF public.%I DEFAULT', name || '_default', name);
  EXECUTE format('COMMENT ON TABLE partitions.%I IS %L', name || '_default',
    'Events whose month is not made yet. They move when it is.');
  CALL make_append_only(format('public.%I', name)::regclass);
  CALL make_append_only(format('partitions.%I', name || '_default')::regclass);
  INSERT INTO event_tables (table_name, time_column, keep_months) VALUES (name, time_column, keep_months);
END
$$;
COMMENT ON PROCEDURE make_event_table IS 'Makes a table that is PARTITION BY RANGE (time_column) an event table, with a default partition so that no event is refused for its date.';
