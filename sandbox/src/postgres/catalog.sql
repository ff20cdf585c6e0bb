-- What Redshift's catalog has and PostgreSQL's has not, as far as tools read it: names and columns as Amazon
-- Redshift's Database Developer Guide lists them ("System tables and views"). The views stand in pg_catalog,
-- where tools look for them; catalog tables with columns of Redshift's own stand in pg_redshift, and
-- warehouse/dialect.rs leads statements there. Nothing here is distributed, sorted, encoded or external, so
-- such columns are constant or empty.
SET allow_system_table_mods = on;
SET client_min_messages = warning;

CREATE SCHEMA pg_redshift;
GRANT USAGE ON SCHEMA pg_redshift TO PUBLIC;

-- Types that tools name in CREATE TABLE.
CREATE DOMAIN pg_catalog.super AS jsonb;
CREATE DOMAIN pg_catalog.varbyte AS bytea;
CREATE DOMAIN pg_catalog.varbinary AS bytea;

CREATE FUNCTION pg_catalog.json_parse(text) RETURNS super LANGUAGE sql IMMUTABLE STRICT AS 'SELECT $1::jsonb::super';
CREATE FUNCTION pg_catalog.getdate() RETURNS timestamp LANGUAGE sql STABLE AS 'SELECT localtimestamp(0)';
CREATE FUNCTION pg_catalog.format_encoding(integer) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT 'none'::text$$;

-- ---- Catalog tables with Redshift's columns ----
-- In Redshift WHERE may name an output column, and sqlalchemy-redshift does so with "schema" and "table_name":
-- here they are columns, so that such statements mean the same.

CREATE VIEW pg_redshift.pg_class AS
SELECT c.*, c.oid AS tableid, 0::smallint AS reldiststyle, NULL::timestamp AS relcreationtime,
       n.nspname AS "schema", c.relname AS table_name
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace;

CREATE VIEW pg_redshift.pg_attribute AS
SELECT a.*, 0::smallint AS attencodingtype, false AS attisdistkey, 0 AS attsortkeyord
FROM pg_catalog.pg_attribute a;

CREATE VIEW pg_redshift.pg_attrdef AS
SELECT d.*, pg_catalog.pg_get_expr(d.adbin, d.adrelid) AS adsrc
FROM pg_catalog.pg_attrdef d;

-- What pg_get_late_binding_view_cols() gives: PostgreSQL's views are all bound early.
CREATE VIEW pg_redshift.late_binding_view_cols AS
SELECT NULL::name AS view_schema, NULL::name AS view_name, NULL::name AS col_name, NULL::varchar AS col_type,
       NULL::int AS col_num,
       NULL::name AS "schema", NULL::name AS table_name
WHERE false;

-- ---- External schemas: there are none ----

CREATE VIEW pg_catalog.svv_external_schemas AS
SELECT NULL::oid AS esoid, NULL::smallint AS eskind, NULL::name AS schemaname, NULL::oid AS esowner,
       NULL::text AS databasename,
       NULL::text AS esoptions, NULL::name AS "schema"
WHERE false;

CREATE VIEW pg_catalog.svv_external_databases AS
SELECT NULL::int AS eskind, NULL::text AS databasename, NULL::text AS esoptions WHERE false;

CREATE VIEW pg_catalog.svv_external_tables AS
SELECT NULL::text AS redshift_database_name, NULL::name AS schemaname, NULL::name AS tablename,
       NULL::text AS tabletype,
       NULL::text AS location, NULL::text AS input_format, NULL::text AS output_format,
       NULL::text AS serialization_lib,
       NULL::text AS serde_parameters, NULL::int AS compressed, NULL::text AS parameters, NULL::name AS relname
WHERE false;

CREATE VIEW pg_catalog.svv_external_columns AS
SELECT NULL::text AS redshift_database_name, NULL::name AS schemaname, NULL::name AS tablename,
       NULL::name AS columnname,
       NULL::text AS external_type, NULL::int AS columnnum, NULL::int AS part_key, NULL::text AS is_nullable,
       NULL::name AS table_name
WHERE false;

-- ---- Databases, schemas, tables, columns ----

CREATE VIEW pg_catalog.svv_redshift_databases AS
SELECT datname::varchar(128) AS database_name, datdba::int AS database_owner, 'local'::varchar(32) AS database_type,
       NULL::varchar(128) AS database_acl, NULL::varchar(128) AS database_options,
       'Snapshot Isolation'::varchar(32) AS database_isolation_level
FROM pg_catalog.pg_database WHERE datallowconn AND NOT datistemplate AND datname <> 'postgres';

CREATE VIEW pg_catalog.svv_all_schemas AS
SELECT current_database()::varchar(128) AS database_name, nspname::varchar(128) AS schema_name,
       nspowner::int AS schema_owner,
       'local'::varchar(128) AS schema_type, pg_catalog.array_to_string(nspacl, ',')::varchar(128) AS schema_acl,
       NULL::varchar(128) AS source_database, NULL::varchar(128) AS schema_option
FROM pg_catalog.pg_namespace WHERE nspname !~ '^pg_(toast|temp)' AND nspname <> 'pg_redshift';

CREATE VIEW pg_catalog.svv_redshift_schemas AS
SELECT database_name, schema_name, schema_owner, schema_type, schema_acl, schema_option
FROM pg_catalog.svv_all_schemas;

CREATE VIEW pg_catalog.svv_tables AS
SELECT current_database()::varchar(128) AS table_catalog, n.nspname::varchar(128) AS table_schema,
       c.relname::varchar(128) AS table_name,
       (CASE WHEN n.nspname ~ '^pg_temp_' THEN 'LOCAL TEMPORARY' WHEN c.relkind IN ('v', 'm') THEN 'VIEW'
             ELSE 'BASE TABLE' END)::varchar(128) AS table_type,
       pg_catalog.obj_description(c.oid, 'pg_class')::varchar(256) AS remarks
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'v', 'm', 'f', 'p') AND n.nspname !~ '^pg_toast' AND n.nspname <> 'pg_redshift'
  AND (pg_catalog.pg_has_role(c.relowner, 'USAGE')
       OR pg_catalog.has_table_privilege(c.oid, 'SELECT, INSERT, UPDATE, DELETE'));

CREATE VIEW pg_catalog.svv_all_tables AS
SELECT t.table_catalog AS database_name, t.table_schema AS schema_name, t.table_name,
       pg_catalog.array_to_string(c.relacl, ',')::varchar(128) AS table_acl,
       (CASE t.table_type WHEN 'BASE TABLE' THEN 'TABLE' ELSE t.table_type END)::varchar(128) AS table_type, t.remarks
FROM pg_catalog.svv_tables t JOIN pg_catalog.pg_namespace n ON n.nspname = t.table_schema
     JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = t.table_name;

CREATE VIEW pg_catalog.svv_redshift_tables AS
SELECT database_name, schema_name, table_name, table_type, table_acl, remarks FROM pg_catalog.svv_all_tables;

CREATE VIEW pg_catalog.svv_columns AS
SELECT c.table_catalog::varchar(128) AS table_catalog, c.table_schema::varchar(128) AS table_schema,
       c.table_name::varchar(128) AS table_name, c.column_name::varchar(128) AS column_name,
       c.ordinal_position::int AS ordinal_position, c.column_default::varchar(4000) AS column_default,
       c.is_nullable::varchar(3) AS is_nullable,
       coalesce(c.domain_name, c.data_type)::varchar(128) AS data_type,
       c.character_maximum_length::int AS character_maximum_length, c.numeric_precision::int AS numeric_precision,
       c.numeric_precision_radix::int AS numeric_precision_radix, c.numeric_scale::int AS numeric_scale,
       c.datetime_precision::int AS datetime_precision, c.interval_type::varchar(128) AS interval_type,
       c.interval_precision::varchar(128) AS interval_precision,
       c.character_set_catalog::varchar(128) AS character_set_catalog,
       c.character_set_schema::varchar(128) AS character_set_schema,
       c.character_set_name::varchar(128) AS character_set_name,
       c.collation_catalog::varchar(128) AS collation_catalog, c.collation_schema::varchar(128) AS collation_schema,
       c.collation_name::varchar(128) AS collation_name, c.domain_name::varchar(128) AS domain_name,
       pg_catalog.col_description((quote_ident(c.table_schema) || '.' || quote_ident(c.table_name))::regclass,
       c.ordinal_position::int)::varchar(256) AS remarks
FROM information_schema.columns c WHERE c.table_schema <> 'pg_redshift';

CREATE VIEW pg_catalog.svv_all_columns AS
SELECT table_catalog AS database_name, table_schema AS schema_name, table_name, column_name, ordinal_position,
       column_default,
       is_nullable, data_type, character_maximum_length, numeric_precision, numeric_scale, remarks
FROM pg_catalog.svv_columns;

CREATE VIEW pg_catalog.svv_redshift_columns AS
SELECT database_name, schema_name, table_name, column_name, ordinal_position, data_type, column_default, is_nullable,
       'none'::varchar(128) AS encoding, false AS distkey, 0 AS sortkey, NULL::varchar(128) AS column_acl, remarks
FROM pg_catalog.svv_all_columns;

CREATE VIEW pg_catalog.svv_redshift_functions AS
SELECT current_database()::varchar(128) AS database_name, n.nspname::varchar(128) AS schema_name,
       p.proname::varchar(128) AS function_name,
       (CASE p.prokind WHEN 'p' THEN 'STORED PROCEDURE' WHEN 'a' THEN 'AGGREGATE FUNCTION' ELSE 'REGULAR FUNCTION'
       END)::varchar(128) AS function_type,
       pg_catalog.pg_get_function_arguments(p.oid)::varchar(512) AS argument_type,
       pg_catalog.format_type(p.prorettype, NULL)::varchar(128) AS result_type
FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname NOT IN ('information_schema', 'pg_redshift');

CREATE VIEW pg_catalog.svv_table_info AS
SELECT current_database()::text AS database, n.nspname::text AS "schema", c.oid AS table_id,
       c.relname::text AS "table",
       'N'::text AS encoded, 'EVEN'::text AS diststyle, NULL::text AS sortkey1, NULL::int AS max_varchar,
       NULL::char(32) AS sortkey1_enc,
       0 AS sortkey_num, (pg_catalog.pg_relation_size(c.oid) / 1048576)::bigint AS size, 0::numeric(10,
       4) AS pct_used, 0::bigint AS empty,
       NULL::numeric(5, 2) AS unsorted, NULL::numeric(5, 2) AS stats_off, greatest(c.reltuples, 0)::numeric(38,
       0) AS tbl_rows,
       NULL::numeric(19, 2) AS skew_sortkey1, NULL::numeric(19, 2) AS skew_rows,
       greatest(c.reltuples, 0)::numeric(38, 0) AS estimated_visible_rows, NULL::text AS risk_event,
       NULL::numeric(12, 2) AS vacuum_sort_benefit, NULL::timestamp AS create_time
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'pg_redshift');

-- As in Redshift: only what is in the search path.
CREATE VIEW pg_catalog.pg_table_def AS
SELECT n.nspname AS schemaname, c.relname AS tablename, a.attname AS "column",
       pg_catalog.format_type(a.atttypid, a.atttypmod) AS type,
       'none'::char(32) AS encoding, false AS distkey, 0 AS sortkey, a.attnotnull AS "notnull"
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
WHERE c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped AND n.nspname = ANY (pg_catalog.current_schemas(true));

-- ---- SHOW, which warehouse/dialect.rs turns into these ----

CREATE FUNCTION pg_redshift.show_databases(name_pattern text)
RETURNS TABLE (database_name varchar, database_owner int, database_type varchar, database_acl varchar,
               parameters varchar, database_isolation_level varchar)
LANGUAGE sql STABLE AS $$
SELECT database_name, database_owner, database_type, database_acl, database_options, database_isolation_level
FROM pg_catalog.svv_redshift_databases WHERE name_pattern IS NULL OR database_name LIKE name_pattern ORDER BY 1
$$;

CREATE FUNCTION pg_redshift.show_schemas(database_wanted text, name_pattern text)
RETURNS TABLE (database_name varchar, schema_name varchar, schema_owner int, schema_type varchar,
               schema_acl varchar, source_database varchar, schema_option varchar)
LANGUAGE sql STABLE AS $$
SELECT * FROM pg_catalog.svv_all_schemas
WHERE database_name = database_wanted AND (name_pattern IS NULL OR schema_name LIKE name_pattern) ORDER BY 2
$$;

CREATE FUNCTION pg_redshift.show_tables(database_wanted text, schema_wanted text, name_pattern text)
RETURNS TABLE (database_name varchar, schema_name varchar, table_name varchar, table_type varchar,
               table_acl varchar, remarks varchar, owner varchar, last_altered_time timestamp,
               last_modified_time timestamp, dist_style varchar, table_subtype varchar)
LANGUAGE sql STABLE AS $$
SELECT database_name, schema_name, table_name, table_type, table_acl, remarks, NULL::varchar, NULL::timestamp,
       NULL::timestamp, 'EVEN'::varchar, 'REGULAR TABLE'::varchar
FROM pg_catalog.svv_all_tables
WHERE database_name = database_wanted AND schema_name = schema_wanted
  AND (name_pattern IS NULL OR table_name LIKE name_pattern) ORDER BY 3
$$;

CREATE FUNCTION pg_redshift.show_columns(database_wanted text, schema_wanted text, table_wanted text,
  name_pattern text)
RETURNS TABLE (database_name varchar, schema_name varchar, table_name varchar, column_name varchar,
               ordinal_position int, column_default varchar, is_nullable varchar, data_type varchar,
               character_maximum_length int, numeric_precision int, numeric_scale int, remarks varchar,
               sort_key_type varchar, sort_key int, dist_key int, encoding varchar, "collation" varchar)
LANGUAGE sql STABLE AS $$
SELECT database_name, schema_name, table_name, column_name, ordinal_position, column_default, is_nullable,
       data_type, character_maximum_length, numeric_precision, numeric_scale, remarks,
       NULL::varchar, NULL::int, NULL::int, 'none'::varchar, NULL::varchar
FROM pg_catalog.svv_all_columns
WHERE database_name = database_wanted AND schema_name = schema_wanted AND table_name = table_wanted
  AND (name_pattern IS NULL OR column_name LIKE name_pattern) ORDER BY 5
$$;

CREATE FUNCTION pg_redshift.show_primary_keys(database_wanted text, schema_wanted text, table_wanted text,
  unused text)
RETURNS TABLE (database_name varchar, schema_name varchar, table_name varchar, column_name varchar, key_seq int,
               pk_name varchar)
LANGUAGE sql STABLE AS $$
SELECT current_database()::varchar, n.nspname::varchar, c.relname::varchar, a.attname::varchar, k.seq::int,
       p.conname::varchar
FROM pg_catalog.pg_constraint p JOIN pg_catalog.pg_class c ON c.oid = p.conrelid
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     CROSS JOIN LATERAL unnest(p.conkey) WITH ORDINALITY AS k (attnum, seq)
     JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
WHERE p.contype = 'p' AND current_database() = database_wanted AND n.nspname = schema_wanted
  AND c.relname = table_wanted ORDER BY 5
$$;

CREATE FUNCTION pg_redshift.foreign_keys()
RETURNS TABLE (pk_database_name varchar, pk_schema_name varchar, pk_table_name varchar, pk_column_name varchar,
               fk_database_name varchar,
               fk_schema_name varchar, fk_table_name varchar, fk_column_name varchar, key_seq int, update_rule int,
               delete_rule int,
               fk_name varchar, pk_name varchar, deferrability int)
LANGUAGE sql STABLE AS $$
SELECT current_database()::varchar, pn.nspname::varchar, pc.relname::varchar, pa.attname::varchar,
       current_database()::varchar, fn.nspname::varchar, fc.relname::varchar, fa.attname::varchar, k.seq::int, 3, 3,
       f.conname::varchar, (SELECT p.conname::varchar FROM pg_catalog.pg_constraint p WHERE p.conrelid = pc.oid
       AND p.contype = 'p'), 7
FROM pg_catalog.pg_constraint f
     JOIN pg_catalog.pg_class fc ON fc.oid = f.conrelid JOIN pg_catalog.pg_namespace fn ON fn.oid = fc.relnamespace
     JOIN pg_catalog.pg_class pc ON pc.oid = f.confrelid JOIN pg_catalog.pg_namespace pn ON pn.oid = pc.relnamespace
     CROSS JOIN LATERAL unnest(f.conkey, f.confkey) WITH ORDINALITY AS k (fk, pk, seq)
     JOIN pg_catalog.pg_attribute fa ON fa.attrelid = fc.oid AND fa.attnum = k.fk
     JOIN pg_catalog.pg_attribute pa ON pa.attrelid = pc.oid AND pa.attnum = k.pk
WHERE f.contype = 'f'
$$;

CREATE FUNCTION pg_redshift.show_foreign_keys(database_wanted text, schema_wanted text, table_wanted text,
  unused text)
RETURNS TABLE (pk_database_name varchar, pk_schema_name varchar, pk_table_name varchar, pk_column_name varchar,
               fk_database_name varchar,
               fk_schema_name varchar, fk_table_name varchar, fk_column_name varchar, key_seq int, update_rule int,
               delete_rule int,
               fk_name varchar, pk_name varchar, deferrability int)
LANGUAGE sql STABLE AS $$
SELECT * FROM pg_redshift.foreign_keys()
WHERE fk_database_name = database_wanted AND fk_schema_name = schema_wanted
  AND fk_table_name = table_wanted ORDER BY 12, 9
$$;

CREATE FUNCTION pg_redshift.show_exported_keys(database_wanted text, schema_wanted text, table_wanted text,
  unused text)
RETURNS TABLE (pk_database_name varchar, pk_schema_name varchar, pk_table_name varchar, pk_column_name varchar,
               fk_database_name varchar,
               fk_schema_name varchar, fk_table_name varchar, fk_column_name varchar, key_seq int, update_rule int,
               delete_rule int,
               fk_name varchar, pk_name varchar, deferrability int)
LANGUAGE sql STABLE AS $$
SELECT * FROM pg_redshift.foreign_keys()
WHERE pk_database_name = database_wanted AND pk_schema_name = schema_wanted
  AND pk_table_name = table_wanted ORDER BY 12, 9
$$;

GRANT SELECT ON ALL TABLES IN SCHEMA pg_redshift TO PUBLIC;
GRANT SELECT ON pg_catalog.svv_external_schemas, pg_catalog.svv_external_databases, pg_catalog.svv_external_tables,
      pg_catalog.svv_external_columns, pg_catalog.svv_redshift_databases, pg_catalog.svv_all_schemas,
      pg_catalog.svv_redshift_schemas, pg_catalog.svv_tables, pg_catalog.svv_all_tables,
      pg_catalog.svv_redshift_tables, pg_catalog.svv_columns, pg_catalog.svv_all_columns,
      pg_catalog.svv_redshift_columns, pg_catalog.svv_redshift_functions, pg_catalog.svv_table_info,
      pg_catalog.pg_table_def TO PUBLIC;
