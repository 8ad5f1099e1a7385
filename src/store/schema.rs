//! The tables, as forward migrations: what was released is never edited, only added to.

/// In the header of our files (`application_id`): "Encl".
pub const APPLICATION_ID: i64 = 0x456e_636c;

/// Each brings the schema from its index to the next version (`user_version`).
///
/// Inputs and outputs stand in tables of their own, so that reading a job's row
/// reads none of its bytes. The token columns hold the greatest token that the
/// job has had, also while it waits again.
pub const MIGRATIONS: &[&str] = &[
    "
CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO meta VALUES ('epoch', 0);

CREATE TABLE jobs (
    sequence    INTEGER PRIMARY KEY AUTOINCREMENT,
    id          BLOB NOT NULL UNIQUE,
    tenant      TEXT NOT NULL,
    language    TEXT NOT NULL,
    state       INTEGER NOT NULL DEFAULT 0,   -- 0 queued, 1 running, 2 finished
    spec        BLOB NOT NULL,                -- CBOR
    labels      TEXT NOT NULL,                -- JSON
    input_bytes INTEGER NOT NULL,
    created_us  INTEGER NOT NULL,             -- microseconds since 1970
    started_us  INTEGER,
    finished_us INTEGER,
    attempts    INTEGER NOT NULL DEFAULT 0,
    failures    TEXT NOT NULL DEFAULT '[]',   -- JSON, why attempts failed
    epoch       INTEGER,
    counter     INTEGER,
    agent       TEXT,
    outcome     TEXT,
    message     TEXT,
    report      BLOB                          -- CBOR
);
CREATE INDEX jobs_unfinished ON jobs (sequence) WHERE state < 2;
CREATE INDEX jobs_language ON jobs (language, sequence);

CREATE TABLE inputs (
    job   INTEGER PRIMARY KEY REFERENCES jobs (sequence),
    bytes BLOB NOT NULL                       -- CBOR
);

CREATE TABLE outputs (
    job   INTEGER NOT NULL REFERENCES jobs (sequence),
    part  INTEGER NOT NULL,                   -- 2 * step + stream
    bytes BLOB NOT NULL,
    UNIQUE (job, part)
);

CREATE TABLE labels (
    key   TEXT NOT NULL,
    value TEXT NOT NULL,
    job   INTEGER NOT NULL REFERENCES jobs (sequence),
    PRIMARY KEY (key, value, job)
) WITHOUT ROWID;

CREATE TABLE idempotency (
    tenant TEXT NOT NULL,
    key    TEXT NOT NULL,
    digest BLOB NOT NULL,
    job    INTEGER NOT NULL REFERENCES jobs (sequence),
    PRIMARY KEY (tenant, key)
) WITHOUT ROWID;
",
    "
-- 1: someone was answered that the job will be cancelled
ALTER TABLE jobs ADD COLUMN cancelled INTEGER NOT NULL DEFAULT 0;
",
    "
-- 2: jobs with cases, files that jobs leave, jobs that are erased
ALTER TABLE jobs ADD COLUMN scoring BLOB;       -- CBOR; NULL: no cases
ALTER TABLE jobs ADD COLUMN compile_key INTEGER; -- an unsigned number's bits
ALTER TABLE jobs ADD COLUMN verdict TEXT;
ALTER TABLE jobs ADD COLUMN passed INTEGER;
ALTER TABLE jobs ADD COLUMN score_ppm INTEGER;
ALTER TABLE jobs ADD COLUMN cases_us INTEGER;    -- time on the clock of all cases together
ALTER TABLE jobs ADD COLUMN erase INTEGER NOT NULL DEFAULT 0; -- someone was answered that it is gone

CREATE TABLE cases (
    job    INTEGER NOT NULL REFERENCES jobs (sequence),
    number INTEGER NOT NULL,
    name   TEXT NOT NULL,
    limits BLOB,                                -- CBOR; NULL: those of the run
    report BLOB,                                -- CBOR; NULL: it has not been run
    stdout BLOB,
    stderr BLOB,
    UNIQUE (job, number)
);

CREATE TABLE case_inputs (
    job    INTEGER NOT NULL REFERENCES jobs (sequence),
    number INTEGER NOT NULL,
    bytes  BLOB NOT NULL,                       -- CBOR
    UNIQUE (job, number)
);

CREATE TABLE files (
    job     INTEGER NOT NULL REFERENCES jobs (sequence),
    epoch   INTEGER NOT NULL,                   -- of the attempt that left it
    counter INTEGER NOT NULL,
    path    TEXT NOT NULL,
    bytes   BLOB NOT NULL,
    UNIQUE (job, epoch, counter, path)
);

-- Ids of jobs that are gone, so that erasing again is answered as the first time.
CREATE TABLE erased (
    id     BLOB PRIMARY KEY,
    tenant TEXT NOT NULL
) WITHOUT ROWID;

-- Erasing a job looks for what names it.
CREATE INDEX labels_job ON labels (job);
CREATE INDEX idempotency_job ON idempotency (job);
",
    "
-- 3: blobs, and what jobs that have not ended need of them
CREATE TABLE blobs (
    file       BLOB PRIMARY KEY,                -- its name in the directory of blobs
    tenant     TEXT NOT NULL,
    digest     BLOB NOT NULL,                   -- SHA-256
    size_bytes INTEGER NOT NULL,
    expires_us INTEGER NOT NULL,                -- out of sight from then on; 0: deleted
    UNIQUE (tenant, digest)
) WITHOUT ROWID;
CREATE INDEX blobs_expiry ON blobs (expires_us);

CREATE TABLE blob_uses (
    job    INTEGER NOT NULL REFERENCES jobs (sequence),
    place  INTEGER NOT NULL,                    -- 0 stdin, 1 file, 2 judge's file, 3 a case's stdin, 4 what it expects
    number INTEGER NOT NULL,
    file   BLOB NOT NULL REFERENCES blobs (file),
    PRIMARY KEY (job, place, number)
) WITHOUT ROWID;
CREATE INDEX blob_uses_file ON blob_uses (file);
",
    "
-- 4: jobs go in the order of their ends
CREATE INDEX jobs_ended ON jobs (finished_us) WHERE state = 2;
",
    "
-- 5: keys and tenants, what tenants have used, and lists that cost a tenant what it has itself
CREATE TABLE keys (
    id         TEXT PRIMARY KEY,
    tenant     TEXT NOT NULL,
    name       TEXT NOT NULL,
    scopes     INTEGER NOT NULL,                -- 1 submit, 2 read, 4 operate
    created_us INTEGER NOT NULL,
    expires_us INTEGER,
    revoked_us INTEGER
) WITHOUT ROWID;

CREATE TABLE secrets (
    digest  BLOB PRIMARY KEY,                   -- SHA-256
    key     TEXT NOT NULL REFERENCES keys (id),
    ends_us INTEGER                             -- after a rotation
) WITHOUT ROWID;

CREATE TABLE tenants (
    name     TEXT PRIMARY KEY,
    settings TEXT NOT NULL                      -- JSON
) WITHOUT ROWID;

-- Changes of the three tables, and the last that a running master goes by.
INSERT INTO meta VALUES ('access', 0), ('access_seen', 0);

CREATE TABLE usage (
    tenant  TEXT NOT NULL,
    day     INTEGER NOT NULL,                   -- since 1970, UTC
    outcome TEXT NOT NULL,
    jobs    INTEGER NOT NULL,
    cpu_us  INTEGER NOT NULL,
    PRIMARY KEY (tenant, day, outcome)
) WITHOUT ROWID;

CREATE INDEX jobs_tenant ON jobs (tenant, sequence);
CREATE INDEX jobs_tenant_language ON jobs (tenant, language, sequence);
DROP INDEX jobs_language;

CREATE TABLE labels_of_tenants (
    tenant TEXT NOT NULL,
    key    TEXT NOT NULL,
    value  TEXT NOT NULL,
    job    INTEGER NOT NULL REFERENCES jobs (sequence),
    PRIMARY KEY (tenant, key, value, job)
) WITHOUT ROWID;
INSERT INTO labels_of_tenants
    SELECT jobs.tenant, key, value, job FROM labels JOIN jobs ON jobs.sequence = labels.job;
DROP TABLE labels;
ALTER TABLE labels_of_tenants RENAME TO labels;
CREATE INDEX labels_job ON labels (job);
",
    "
-- 6: callbacks: ends of jobs that are to be told, and the secrets by which they are signed
ALTER TABLE jobs ADD COLUMN callback TEXT;      -- a URL; NULL: nobody is told

CREATE TABLE callbacks (
    sequence   INTEGER PRIMARY KEY AUTOINCREMENT,
    id         BLOB NOT NULL UNIQUE,            -- of the delivery, the same for every attempt
    tenant     TEXT NOT NULL,
    job        INTEGER NOT NULL REFERENCES jobs (sequence),
    url        TEXT NOT NULL,
    host       TEXT NOT NULL,                   -- of the URL, by which deliveries at once are counted
    state      INTEGER NOT NULL DEFAULT 0,      -- 0 waiting, 1 being delivered, 2 dead
    created_us INTEGER NOT NULL,
    begun_us   INTEGER NOT NULL,                -- since when it is tried
    due_us     INTEGER NOT NULL,                -- when it is tried next
    attempts   INTEGER NOT NULL DEFAULT 0,      -- since then
    tried_us   INTEGER,                         -- the last of them
    status     INTEGER,                         -- HTTP status that the last was answered with
    problem    TEXT,                            -- what was wrong with the last: a word of a closed list
    dead_us    INTEGER
);
CREATE INDEX callbacks_due ON callbacks (due_us) WHERE state = 0;
CREATE INDEX callbacks_turn ON callbacks (tenant, due_us) WHERE state = 0;
CREATE INDEX callbacks_dead ON callbacks (dead_us) WHERE state = 2;
CREATE INDEX callbacks_tenant ON callbacks (tenant, state, sequence);
CREATE INDEX callbacks_job ON callbacks (job);

CREATE TABLE callback_secrets (
    tenant     TEXT NOT NULL,
    number     INTEGER NOT NULL,                -- counts up; the greatest is the newest
    sealed     BLOB NOT NULL,                   -- under the key in the data directory
    created_us INTEGER NOT NULL,
    ends_us    INTEGER,                         -- after a rotation
    PRIMARY KEY (tenant, number)
) WITHOUT ROWID;
",
    "
-- 7: by what jobs get their turn, what they were expected to use, and what was learnt of those before
ALTER TABLE jobs ADD COLUMN priority INTEGER NOT NULL DEFAULT 1; -- 0 low, 1 normal, 2 high
ALTER TABLE jobs ADD COLUMN expires_us INTEGER;  -- cancelled if it waits then; NULL: it waits as long as it takes
ALTER TABLE jobs ADD COLUMN source INTEGER NOT NULL DEFAULT 0; -- an unsigned number's bits; 0: not known
ALTER TABLE jobs ADD COLUMN prediction BLOB;     -- CBOR; NULL: nothing was known

CREATE TABLE predictions (
    tenant   TEXT NOT NULL,
    language TEXT NOT NULL,
    source   INTEGER NOT NULL,                  -- as of a job; 0: all of them
    state    BLOB NOT NULL,                     -- the predictor's own, with a check
    PRIMARY KEY (tenant, language, source)
) WITHOUT ROWID;

-- Who holds most gives back what ended first.
CREATE INDEX jobs_ended_of ON jobs (tenant, finished_us) WHERE state = 2;
",
];
