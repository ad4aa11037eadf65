-- Stands in for TimescaleDB on a server that has not got it: functions of the documented signatures that note how they
-- were called and keep nothing. It shows that the migrations' calls fit those signatures, and no more than that.
-- Signatures: TimescaleDB 2.10 to 2.27, https://docs.tigerdata.com/api/latest/hypertable/

INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
VALUES (16000, 'timescaledb', 10, 'public'::regnamespace, false, '2.22.1');

CREATE SCHEMA stand_in;
CREATE TABLE stand_in.calls (id BIGINT GENERATED ALWAYS AS IDENTITY, call TEXT NOT NULL);
GRANT USAGE ON SCHEMA stand_in TO PUBLIC;
GRANT SELECT, INSERT ON stand_in.calls TO PUBLIC;

CREATE FUNCTION create_hypertable(
  relation REGCLASS, time_column_name NAME, partitioning_column NAME = NULL, number_partitions INTEGER = NULL,
  associated_schema_name NAME = NULL, associated_table_prefix NAME = NULL, chunk_time_interval ANYELEMENT = NULL::bigint,
  create_default_indexes BOOLEAN = true, if_not_exists BOOLEAN = false, partitioning_func REGPROC = NULL,
  migrate_data BOOLEAN = false, chunk_target_size TEXT = NULL, chunk_sizing_func REGPROC = NULL,
  time_partitioning_func REGPROC = NULL
) RETURNS TABLE (hypertable_id INT, schema_name NAME, table_name NAME, created BOOL) LANGUAGE sql
AS $$
  INSERT INTO stand_in.calls (call)
  VALUES (format('create_hypertable %s %s %s %s', relation, time_column_name, chunk_time_interval, create_default_indexes));
  SELECT 1, 'public'::name, relation::name, true;
$$;

-- "any" is for functions in C only; a moment is what the migrations hand in.
CREATE FUNCTION drop_chunks(
  relation REGCLASS, older_than TIMESTAMPTZ = NULL, newer_than TIMESTAMPTZ = NULL, verbose BOOLEAN = false,
  created_before TIMESTAMPTZ = NULL, created_after TIMESTAMPTZ = NULL
) RETURNS SETOF TEXT LANGUAGE sql
AS $$
  INSERT INTO stand_in.calls (call)
  VALUES (format('drop_chunks %s %s', relation, older_than AT TIME ZONE 'UTC'));
  SELECT '_timescaledb_internal._hyper_1_1_chunk';
$$;

CREATE FUNCTION show_chunks(
  relation REGCLASS, older_than TIMESTAMPTZ = NULL, newer_than TIMESTAMPTZ = NULL,
  created_before TIMESTAMPTZ = NULL, created_after TIMESTAMPTZ = NULL
) RETURNS SETOF REGCLASS LANGUAGE sql
AS $$
  INSERT INTO stand_in.calls (call)
  VALUES (format('show_chunks %s %s', relation, older_than AT TIME ZONE 'UTC'));
  SELECT 'pg_class'::regclass;
$$;

CREATE FUNCTION compress_chunk(
  uncompressed_chunk REGCLASS, if_not_compressed BOOLEAN = true, recompress BOOLEAN = false
) RETURNS REGCLASS LANGUAGE sql
AS $$
  INSERT INTO stand_in.calls (call) VALUES (format('compress_chunk %s %s', uncompressed_chunk, if_not_compressed));
  SELECT uncompressed_chunk;
$$;

CREATE SCHEMA timescaledb_information;
GRANT USAGE ON SCHEMA timescaledb_information TO PUBLIC;
CREATE TABLE timescaledb_information.hypertables (
  hypertable_schema NAME, hypertable_name NAME, compression_enabled BOOLEAN
);
GRANT SELECT ON timescaledb_information.hypertables TO PUBLIC;
INSERT INTO timescaledb_information.hypertables VALUES ('public', 'metrics', false);

-- What an extension has made is no reason for the migrator to take the schema for somebody else's.
ALTER EXTENSION timescaledb ADD FUNCTION create_hypertable;
ALTER EXTENSION timescaledb ADD FUNCTION drop_chunks;
ALTER EXTENSION timescaledb ADD FUNCTION show_chunks;
ALTER EXTENSION timescaledb ADD FUNCTION compress_chunk;
