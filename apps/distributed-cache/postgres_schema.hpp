#pragma once

#include <string>
#include <string_view>

// The tables and statements of an origin in PostgreSQL.

namespace cohort::postgres_sql {

/// What the tables look like; kept in `cache_schema`.
inline constexpr std::string_view schema_version = "1";

/// The tables, made by whoever comes first: the others wait for the lock and then find them.
inline constexpr const char* create = R"(
SELECT pg_advisory_xact_lock(x'434f484f52540000'::bigint);
CREATE TABLE IF NOT EXISTS cache_data (
    key bytea PRIMARY KEY, content bytea NOT NULL, version bigint NOT NULL);
CREATE SEQUENCE IF NOT EXISTS cache_version;
CREATE TABLE IF NOT EXISTS shard_fence (
    space text NOT NULL, shard bigint NOT NULL, epoch bigint NOT NULL, PRIMARY KEY (space, shard));
CREATE TABLE IF NOT EXISTS cache_schema (version integer NOT NULL);
INSERT INTO cache_schema SELECT 1 WHERE NOT EXISTS (SELECT FROM cache_schema);
)";

inline constexpr const char* create_audit = R"(
SELECT pg_advisory_xact_lock(x'434f484f52540000'::bigint);
CREATE TABLE IF NOT EXISTS write_audit (
    seq bigint PRIMARY KEY, kind smallint NOT NULL, space text NOT NULL, shard bigint NOT NULL,
    epoch bigint NOT NULL, key bytea NOT NULL, version bigint NOT NULL, writer text NOT NULL);
CREATE TABLE IF NOT EXISTS write_audit_last (seq bigint NOT NULL);
INSERT INTO write_audit_last SELECT 0 WHERE NOT EXISTS (SELECT FROM write_audit_last);
)";

/// What of it is there: cache_schema, cache_data, write_audit.
inline constexpr const char* tables = R"(
SELECT to_regclass('cache_schema') IS NOT NULL, to_regclass('cache_data') IS NOT NULL,
    to_regclass('write_audit') IS NOT NULL)";

/// A session is ours alone, and looks up keys; a plan made while a table was empty must not scan it
/// for ever. A server whose client has gone need not finish its work.
inline constexpr const char* settings = R"(
SET standard_conforming_strings = on;
SET default_transaction_isolation = 'read committed';
SET client_connection_check_interval = 500;
SET enable_seqscan = off;
SET jit = off;
)";

/// The number of the lock between nodes and imports: of these tables, whatever their schema.
inline constexpr const char* origin_lock =
    "((x'43484f52'::bigint << 32) | 'cache_data'::regclass::oid::bigint)";

/// A statement reads the fence under a lock that waits for an activation, and writes only when the
/// epoch is the caller's. `{audit}` is empty or adds to the audit.
inline constexpr std::string_view load = R"(
PREPARE cache_load (text, bigint, bytea) AS
SELECT f.epoch, d.content, d.version, d.key IS NOT NULL
FROM (SELECT) one LEFT JOIN shard_fence f ON f.space = $1 AND f.shard = $2
    LEFT JOIN cache_data d ON d.key = $3;
)";

inline constexpr std::string_view store = R"(
PREPARE cache_store (text, bigint, bigint, bytea, bytea) AS
WITH fence AS (
    SELECT epoch FROM shard_fence WHERE space = $1 AND shard = $2 FOR SHARE
), written AS (
    INSERT INTO cache_data AS d (key, content, version)
    SELECT $4, $5, nextval('cache_version') FROM fence WHERE epoch = $3
    ON CONFLICT (key) DO UPDATE SET content = excluded.content, version = nextval('cache_version')
    RETURNING d.version, d.xmax = 0 AS created
){audit}
SELECT (SELECT epoch FROM fence), w.version, w.created
FROM (SELECT) one LEFT JOIN written w ON true;
)";

inline constexpr std::string_view erase = R"(
PREPARE cache_erase (text, bigint, bigint, bytea) AS
WITH fence AS (
    SELECT epoch FROM shard_fence WHERE space = $1 AND shard = $2 FOR SHARE
), written AS (
    DELETE FROM cache_data d USING fence WHERE d.key = $4 AND fence.epoch = $3 RETURNING d.version
){audit}
SELECT (SELECT epoch FROM fence), w.version FROM (SELECT) one LEFT JOIN written w ON true;
)";

/// Returns the owners that were refused. The order of rows is one for all, so that two activations
/// do not wait for each other.
inline constexpr std::string_view activate = R"(
PREPARE cache_activate (text[], bigint[], bigint[]) AS
WITH given AS (
    SELECT * FROM unnest($1, $2, $3) AS g (space, shard, epoch)
), written AS (
    INSERT INTO shard_fence AS f (space, shard, epoch)
    SELECT space, shard, epoch FROM given ORDER BY space, shard
    ON CONFLICT (space, shard) DO UPDATE SET epoch = excluded.epoch WHERE f.epoch <= excluded.epoch
    RETURNING f.space, f.shard, f.epoch
){audit}
SELECT g.space, g.shard, g.epoch FROM given g
WHERE NOT EXISTS (SELECT FROM written w WHERE w.space = g.space AND w.shard = g.shard);
)";

/// The audit's numbers are taken under the lock of one row, held until the commit, so their order
/// is that of the commits. It costs the writes their concurrency: for tests only.
inline constexpr std::string_view audit_write = R"(, counted AS (
    UPDATE write_audit_last l SET seq = l.seq + 1 FROM written w RETURNING l.seq, w.version
), audited AS (
    INSERT INTO write_audit (seq, kind, space, shard, epoch, key, version, writer)
    SELECT seq, {kind}, $1, $2, $3, $4, version, '{writer}' FROM counted
))";

inline constexpr std::string_view audit_activate = R"(, counted AS (
    UPDATE write_audit_last l SET seq = l.seq + n.rows
    FROM (SELECT count(*) AS rows FROM written) n WHERE n.rows > 0 RETURNING l.seq
), audited AS (
    INSERT INTO write_audit (seq, kind, space, shard, epoch, key, version, writer)
    SELECT c.seq + 1 - row_number() OVER (ORDER BY w.space, w.shard), 0, w.space, w.shard, w.epoch,
        '', 0, '{writer}' FROM written w, counted c
))";

inline constexpr std::string_view read_audit = R"(
PREPARE cache_audit (bigint, bigint) AS
SELECT seq, kind, space, shard, epoch, key, version, writer
FROM write_audit WHERE seq > $1 ORDER BY seq LIMIT $2;
)";

/// How many rows were there, and how many of them were the same.
inline constexpr std::string_view import = R"(
PREPARE cache_import (bytea[], bytea[]) AS
WITH given AS (
    SELECT * FROM unnest($1, $2) AS g (key, content)
), present AS (
    SELECT g.key, d.content = g.content AS same FROM given g JOIN cache_data d ON d.key = g.key
), written AS (
    INSERT INTO cache_data (key, content, version)
    SELECT g.key, g.content, nextval('cache_version') FROM given g
    WHERE NOT EXISTS (SELECT FROM present p WHERE p.key = g.key AND p.same)
    ON CONFLICT (key) DO UPDATE SET content = excluded.content, version = excluded.version
)
SELECT count(*), count(*) FILTER (WHERE same) FROM present;
)";

}  // namespace cohort::postgres_sql
