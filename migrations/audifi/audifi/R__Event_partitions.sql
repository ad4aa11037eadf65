-- Months of the event tables. Whoever may make them needs no other right: the procedure runs as its owner.

CREATE OR REPLACE PROCEDURE make_partition(event_table NAME, time_column NAME, month TIMESTAMPTZ)
LANGUAGE plpgsql SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
  name TEXT := event_table || to_char(month, '_YYYY_MM');
  rest TEXT := event_table || '_default';
  next_month TIMESTAMPTZ := month + INTERVAL '1 month';
  moved BIGINT := 0;
BEGIN
  -- CREATE TABLE … PARTITION OF would lock the table against every reader; ATTACH of a table made apart does not.
  EXECUTE format('CREATE TABLE partitions.%I (LIKE %I INCLUDING ALL)', name, event_table);

  -- Rows of this month that came too early or too late stand in the default partition, and ATTACH refuses a month
  -- that has rows there. Nobody reads or writes it while they move; everything is one transaction.
  EXECUTE format('LOCK TABLE partitions.%I IN ACCESS EXCLUSIVE MODE', rest);
  EXECUTE format('SELECT count(*) FROM partitions.%I WHERE %I >= $1 AND %2$I < $2', rest, time_column)
    INTO moved USING month, next_month;
  IF moved > 0 THEN
    EXECUTE format('ALTER TABLE partitions.%I DISABLE TRIGGER refuse_change', rest);
    EXECUTE format(
      'WITH moved AS (DELETE FROM partitions.%I WHERE %I >= $1 AND %2$I < $2 RETURNING *)'
      ' INSERT INTO partitions.%I SELECT * FROM moved', rest, time_column, name) USING month, next_month;
    EXECUTE format('ALTER TABLE partitions.%I ENABLE TRIGGER refuse_change', rest);
  END IF;
  EXECUTE format(
    'ALTER TABLE %I ATTACH PARTITION partitions.%I FOR VALUES FROM (%L) TO (%L)', event_table, name, month, next_month);
  CALL make_append_only(format('partitions.%I', name)::regclass);
  INSERT INTO partition_changes (table_name, month, change, rows_moved) VALUES (event_table, month, 'made', moved);
END
$$;
COMMENT ON PROCEDURE make_partition IS 'Makes one month of an event table and moves its rows out of the default partition. Part of make_partitions_ahead().';

CREATE OR REPLACE PROCEDURE make_partitions_ahead(as_of TIMESTAMPTZ DEFAULT now())
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET timezone = 'UTC' SET lock_timeout = '2s' AS $$
DECLARE
  this_month TIMESTAMPTZ := date_trunc('month', as_of);
  event event_tables;
  months TIMESTAMPTZ[];
  month TIMESTAMPTZ;
BEGIN
  -- One at a time: the second finds the months made.
  LOCK TABLE event_tables IN SHARE UPDATE EXCLUSIVE MODE;
  FOR event IN SELECT * FROM event_tables ORDER BY table_name LOOP
    -- Past months are made as well where an indexer that started late has left rows in the default partition, but
    -- not those that detach_old_partitions() would take out again.
    EXECUTE format(
      'SELECT array_agg(month ORDER BY month) FROM ('
      ' SELECT generate_series($1, $1 + make_interval(months => $2), INTERVAL ''1 month'') AS month'
      ' UNION SELECT date_trunc(''month'', %1$I) FROM partitions.%2$I'
      ' WHERE %1$I < $1 AND ($3 IS NULL OR %1$I >= $1 - make_interval(months => $3))) wanted',
      event.time_column, event.table_name || '_default')
      INTO months USING this_month, event.months_ahead, event.keep_months;
    FOREACH month IN ARRAY months LOOP
      CONTINUE WHEN to_regclass(format('partitions.%I', event.table_name || to_char(month, '_YYYY_MM'))) IS NOT NULL;
      BEGIN
        CALL make_partition(event.table_name, event.time_column, month);
      EXCEPTION WHEN lock_not_available THEN
        INSERT INTO partition_changes (table_name, month, change, note)
        VALUES (event.table_name, month, 'postponed', SQLERRM);
      END;
    END LOOP;
  END LOOP;
END
$$;
COMMENT ON PROCEDURE make_partitions_ahead IS
  'Makes the current month and event_tables.months_ahead more of every event table, and past months that have rows in the default partition. Run it daily; what exists stays as it is.';

-- DETACH PARTITION … CONCURRENTLY runs in no transaction, so in no procedure, and PostgreSQL refuses it for a table
-- with a default partition. Plain DETACH locks the table for an instant; lock_timeout bounds the wait for that, a
-- month is a transaction of its own, and a month that does not get the lock is left for the next run.
CREATE OR REPLACE PROCEDURE detach_old_partitions(as_of TIMESTAMPTZ DEFAULT now()) LANGUAGE plpgsql AS $$
DECLARE
  old RECORD;
BEGIN
  FOR old IN
    SELECT t.table_name, part.relname AS part, to_date(right(part.relname, 7), 'YYYY_MM') AS month
    FROM public.event_tables t
    JOIN pg_catalog.pg_inherits i ON i.inhparent = format('public.%I', t.table_name)::regclass
    JOIN pg_catalog.pg_class part ON part.oid = i.inhrelid AND part.relname ~ '_[0-9]{4}_[0-9]{2}$'
    WHERE to_date(right(part.relname, 7), 'YYYY_MM')
      < date_trunc('month', as_of AT TIME ZONE 'UTC') - make_interval(months => t.keep_months)
    ORDER BY 1, 3
  LOOP
    BEGIN
      PERFORM set_config('lock_timeout', '2s', true);
      EXECUTE format('ALTER TABLE public.%I DETACH PARTITION partitions.%I', old.table_name, old.part);
      IF to_regclass(format('archive.%I', old.part)) IS NULL THEN
        EXECUTE format('ALTER TABLE partitions.%I SET SCHEMA archive', old.part);
        -- DETACH takes away the row trigger that the table had from its parent.
        CALL public.make_append_only(format('archive.%I', old.part)::regclass);
      ELSE
        -- A month comes twice when it was made again for rows that arrived after it had been archived.
        EXECUTE format('INSERT INTO archive.%I SELECT * FROM partitions.%1$I', old.part);
        EXECUTE format('DROP TABLE partitions.%I', old.part);
      END IF;
      INSERT INTO public.partition_changes (table_name, month, change) VALUES (old.table_name, old.month, 'detached');
    EXCEPTION WHEN lock_not_available THEN
      INSERT INTO public.partition_changes (table_name, month, change, note)
      VALUES (old.table_name, old.month, 'postponed', SQLERRM);
    END;
    COMMIT;
  END LOOP;
END
$$;
COMMENT ON PROCEDURE detach_old_partitions IS
  'Moves months older than event_tables.keep_months to the schema archive, each in a transaction of its own. No row is deleted.';

CREATE OR REPLACE FUNCTION rows_without_partition(OUT table_name NAME, OUT rows BIGINT, OUT first TIMESTAMPTZ, OUT last TIMESTAMPTZ)
RETURNS SETOF RECORD LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  event event_tables;
BEGIN
  FOR event IN SELECT * FROM event_tables t ORDER BY t.table_name LOOP
    table_name := event.table_name;
    EXECUTE format('SELECT count(*), min(%1$I), max(%1$I) FROM partitions.%2$I', event.time_column, table_name || '_default')
      INTO rows, first, last;
    RETURN NEXT;
  END LOOP;
END
$$;
COMMENT ON FUNCTION rows_without_partition IS 'Rows in each default partition and their span. More than none for long means that make_partitions_ahead() does not run, or a clock that is wrong.';

-- Also those of V1.0.14's table.
CALL make_partitions_ahead();
