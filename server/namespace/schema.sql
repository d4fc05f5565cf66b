-- The namespace's tables.  Made in an empty database by namespace_open().
--
-- Times are revisions unless they end in _ms.  64-bit unsigned numbers are stored
-- as SQLite's signed ones, bit for bit.

-- One row: where this database stands.  Written with every commit.
CREATE TABLE meta (
	one             INTEGER PRIMARY KEY CHECK (one = 1),
	format          INTEGER NOT NULL, -- of this schema
	applied         INTEGER NOT NULL, -- slot of the last command applied
	revision        INTEGER NOT NULL, -- slot of the last change of a node
	uptime_ms       INTEGER NOT NULL, -- the cluster's time at the last command
	ballot_epoch    INTEGER NOT NULL, -- of the last LEADER_START
	ballot_round    INTEGER NOT NULL,
	ballot_member   INTEGER NOT NULL,
	nodes           INTEGER NOT NULL, -- how many there are
	hash_low        INTEGER NOT NULL, -- the state hash
	hash_high       INTEGER NOT NULL,
	change_next     INTEGER NOT NULL, -- id of the chunk of changes that is being filled
	change_from     INTEGER NOT NULL, -- every change from this revision on is kept
	change_count    INTEGER NOT NULL, -- changes kept
	change_bytes    INTEGER NOT NULL  -- and their size
) STRICT;

-- The tree.  The root's parent and name are empty; a child of the root has the
-- parent '/'.  One B-tree serves lookup (split the path), listing (one parent, in
-- the order of names) and whole subtrees (parents from 'P/' up to 'P0').
CREATE TABLE node (
	parent            TEXT NOT NULL,
	name              TEXT NOT NULL,
	created           INTEGER NOT NULL,
	modified          INTEGER NOT NULL,
	children_modified INTEGER NOT NULL, -- a child was created or deleted
	version           INTEGER NOT NULL, -- data writes, from 0
	children_version  INTEGER NOT NULL, -- children created plus children deleted
	access_version    INTEGER NOT NULL,
	created_ms        INTEGER NOT NULL,
	modified_ms       INTEGER NOT NULL,
	owner             INTEGER NOT NULL, -- session or lease, 0: none
	children          INTEGER NOT NULL, -- how many there are
	sequence          INTEGER NOT NULL, -- how many were ever created
	kind              INTEGER NOT NULL,
	ttl_ms            INTEGER NOT NULL,
	token             INTEGER NOT NULL, -- of a contender: the revision of its grant
	mode              INTEGER NOT NULL, -- of a contender, a lock and a service
	expires_ms        INTEGER NOT NULL, -- when it is due, in the cluster's time; 0: never
	data              BLOB,             -- NULL: absent, which is not empty
	PRIMARY KEY (parent, name)
) STRICT, WITHOUT ROWID;

CREATE INDEX node_owner ON node (owner) WHERE owner != 0;

-- What goes by itself: childless, or a lock, whose time may also be the end of a delay.
CREATE INDEX node_due ON node (expires_ms) WHERE expires_ms != 0 AND (children = 0 OR kind = 5);

-- The history, append-only at one end and trimmed at the other, in chunks: a row
-- for each change would cost ten times as much.  CHANGES holds COUNT packed
-- changes (shared/protocol.h) one after the other.
CREATE TABLE change (
	id            INTEGER PRIMARY KEY, -- 1, 2, 3, ...
	last_revision INTEGER NOT NULL,
	count         INTEGER NOT NULL,
	uptime_ms     INTEGER NOT NULL, -- of the last change
	changes       BLOB NOT NULL
) STRICT;

CREATE INDEX change_revision ON change (last_revision);

-- Live sessions and leases.  ANSWERS holds the kept answers of the writes ACKNOWLEDGED + 1
-- up to SEQ, each packed as [error, revision, result], one after the other.
CREATE TABLE session (
	id           INTEGER PRIMARY KEY, -- slot of the command that opened it
	generation   INTEGER NOT NULL,
	timeout_ms   INTEGER NOT NULL,
	seq          INTEGER NOT NULL, -- of the last write applied
	acknowledged INTEGER NOT NULL,
	secret_hash  BLOB NOT NULL, -- of a lease: empty
	answers      BLOB NOT NULL,
	is_lease     INTEGER NOT NULL
) STRICT;

-- The members of the ensemble, as they described themselves.
CREATE TABLE member (
	id             INTEGER PRIMARY KEY,
	name           TEXT NOT NULL,
	peer_address   TEXT NOT NULL,
	client_address TEXT NOT NULL,
	disk_id        BLOB NOT NULL
) STRICT;
