"""
The tables, as the scripts that make them. A file at version N has run the first N.

To change the schema append a script; never edit one that was released. Each ends with its own version, inside the same
transaction, so that a crash leaves the file before it or after it.
"""

from typing import Final

APPLICATION_ID: Final = 0x64616966  # "daif"

_VERSION_1: Final = """
BEGIN IMMEDIATE;

CREATE TABLE orders (
    order_id  TEXT PRIMARY KEY NOT NULL,
    rev       INTEGER NOT NULL,
    initiator TEXT NOT NULL,              -- openid
    due_at_ms INTEGER,                    -- when to be claimed: the earliest effect, or the end of a lease on it
    doc       BLOB NOT NULL               -- the whole order as JSON
) STRICT;
CREATE INDEX orders_by_initiator ON orders (initiator, order_id);
CREATE INDEX orders_due ON orders (due_at_ms, order_id) WHERE due_at_ms IS NOT NULL;

CREATE TABLE users (
    openid        TEXT PRIMARY KEY NOT NULL,
    name          TEXT NOT NULL,
    avatar        TEXT NOT NULL,
    first_seen_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency (
    key         TEXT PRIMARY KEY NOT NULL,
    order_id    TEXT NOT NULL,
    body_sha256 TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE heartbeat (beats INTEGER NOT NULL) STRICT;  -- what ping() writes
INSERT INTO heartbeat VALUES (0);

PRAGMA application_id = 1684105574;  -- APPLICATION_ID
PRAGMA user_version = 1;
COMMIT;
"""

_VERSION_2: Final = """
BEGIN IMMEDIATE;

ALTER TABLE users ADD COLUMN brought_by TEXT NOT NULL DEFAULT '';  -- openid

CREATE TABLE rewards (
    reward_id        TEXT PRIMARY KEY NOT NULL,
    openid           TEXT NOT NULL,
    kind             TEXT NOT NULL,
    points           INTEGER NOT NULL,
    order_id         TEXT NOT NULL,
    at_ms            INTEGER NOT NULL,
    taken_back_at_ms INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX rewards_by_openid ON rewards (openid, at_ms, reward_id);

PRAGMA user_version = 2;
COMMIT;
"""

_VERSION_3: Final = """
BEGIN IMMEDIATE;

CREATE TABLE notifies (
    notify_id TEXT PRIMARY KEY NOT NULL,  -- sorts by arrival
    verdict   TEXT NOT NULL,
    order_id  TEXT NOT NULL,              -- empty where nothing in it was believed
    doc       BLOB NOT NULL               -- the whole notify as JSON
) STRICT;
CREATE INDEX notifies_by_order ON notifies (order_id, notify_id) WHERE order_id <> '';

-- The age of the keys that are there is unknown; from now on they grow old.
ALTER TABLE idempotency ADD COLUMN claimed_at_ms INTEGER NOT NULL DEFAULT 0;
UPDATE idempotency SET claimed_at_ms = CAST(strftime('%s', 'now') AS INTEGER) * 1000;
CREATE INDEX idempotency_by_time ON idempotency (claimed_at_ms);

CREATE TABLE reconciliations (
    day              TEXT PRIMARY KEY NOT NULL,  -- in Beijing, 2026-11-21
    claimed_until_ms INTEGER NOT NULL,
    doc              BLOB                        -- the report as JSON; NULL while somebody is at it
) STRICT, WITHOUT ROWID;

CREATE TABLE traces (
    trace_id TEXT PRIMARY KEY NOT NULL,   -- the other three, joined: the order's id first
    order_id TEXT NOT NULL,
    kind     TEXT NOT NULL,               -- shared or opened
    openid   TEXT NOT NULL,
    at_ms    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE rollups (
    day      TEXT PRIMARY KEY NOT NULL,   -- yyyy-mm-dd in Beijing
    as_of_ms INTEGER NOT NULL,
    doc      BLOB NOT NULL                -- the day's statistics as JSON
) STRICT;

CREATE INDEX users_brought ON users (first_seen_ms) WHERE brought_by <> '';

ALTER TABLE orders ADD COLUMN state TEXT NOT NULL DEFAULT '';
UPDATE orders SET state = json_extract(CAST(doc AS TEXT), '$.state');
CREATE INDEX orders_by_state ON orders (state, order_id);

CREATE TABLE deliveries (
    delivery_id   TEXT PRIMARY KEY NOT NULL,
    rev           INTEGER NOT NULL,
    endpoint      TEXT NOT NULL,
    order_id      TEXT NOT NULL,
    state         TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL,
    due_at_ms     INTEGER,                -- when to be sent; none when nobody is to send it any more
    doc           BLOB NOT NULL           -- the whole delivery as JSON
) STRICT, WITHOUT ROWID;
CREATE INDEX deliveries_due ON deliveries (endpoint, due_at_ms, delivery_id) WHERE due_at_ms IS NOT NULL;
CREATE INDEX deliveries_of_order ON deliveries (order_id, endpoint, delivery_id);
CREATE INDEX deliveries_by_age ON deliveries (created_at_ms, delivery_id);
CREATE INDEX deliveries_by_state ON deliveries (endpoint, state, created_at_ms, delivery_id);

PRAGMA user_version = 3;
COMMIT;
"""

MIGRATIONS: Final[tuple[str, ...]] = (_VERSION_1, _VERSION_2, _VERSION_3)
