-- Images and jobs. Ids are 32 hexadecimal digits, times are ms since 1970 by the database's clock.
-- The same tables as in ../sqlite; change both.

-- One row: whose turn it is to be master. `candidacy` fences the master's writes.
CREATE TABLE epoch (
    one       BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    n         BIGINT NOT NULL,
    candidacy TEXT   NOT NULL
);
INSERT INTO epoch (one, n, candidacy) VALUES (1, 0, '');

CREATE TABLE images (
    id              TEXT   NOT NULL PRIMARY KEY,
    state           TEXT   NOT NULL CHECK (state IN ('receiving', 'abandoned', 'accepted', 'deleting')),
    upload          TEXT   NOT NULL UNIQUE,  -- the attempt to send its bytes that counts
    idempotency_key TEXT            UNIQUE,
    touched         BIGINT NOT NULL,         -- when the upload last said that it goes on
    name            TEXT   NOT NULL,
    name_key        TEXT   COLLATE "C" NOT NULL, -- the name in lower case (made in Rust), to search and sort by
    first_job       TEXT   NOT NULL,         -- what the upload was or will be answered with
    first_recipe    TEXT   NOT NULL,         -- JSON
    -- Once accepted:
    original        TEXT,                    -- the store's key
    bytes           BIGINT,
    sha256          TEXT,
    info            TEXT,                    -- JSON
    pixels          BIGINT,
    created         BIGINT,
    latest_job      TEXT,                    -- kept by the triggers below
    latest_state    TEXT,                    -- kept by the triggers below
    CHECK (state IN ('receiving', 'abandoned') OR (original IS NOT NULL AND bytes IS NOT NULL AND sha256 IS NOT NULL
           AND info IS NOT NULL AND pixels IS NOT NULL AND created IS NOT NULL))
);

CREATE TABLE jobs (
    id              TEXT   NOT NULL PRIMARY KEY,
    image           TEXT   NOT NULL REFERENCES images (id) ON DELETE CASCADE,
    idempotency_key TEXT,
    recipe          TEXT   NOT NULL,         -- JSON
    pixels          BIGINT NOT NULL,         -- its image's, to choose the lane by
    state           TEXT   NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed')),
    run             TEXT   UNIQUE,           -- the latest activation
    runs            BIGINT NOT NULL,         -- activations since a person queued it
    reason          TEXT,                    -- why it failed
    created         BIGINT NOT NULL,
    finished        BIGINT,
    result          TEXT,                    -- the store's key
    result_bytes    BIGINT,
    result_sha256   TEXT,
    UNIQUE (image, idempotency_key),
    CHECK (state <> 'done' OR (result IS NOT NULL AND result_bytes IS NOT NULL AND result_sha256 IS NOT NULL)),
    CHECK (state NOT IN ('done', 'failed') OR finished IS NOT NULL)
);

-- The gallery, in each order, whole and by the latest job's state. With the names, so that a search reads an index alone.
CREATE INDEX images_created ON images (created, id, name_key) WHERE state = 'accepted';
CREATE INDEX images_name ON images (name_key, id) WHERE state = 'accepted';
CREATE INDEX images_state_created ON images (latest_state, created, id, name_key) WHERE state = 'accepted';
CREATE INDEX images_state_name ON images (latest_state, name_key, id) WHERE state = 'accepted';
-- What the master polls.
CREATE INDEX images_receiving ON images (touched) WHERE state = 'receiving';
CREATE INDEX images_ended ON images (state, id) WHERE state IN ('abandoned', 'deleting');
CREATE INDEX jobs_queued ON jobs (created, id, pixels, image) WHERE state = 'queued';
CREATE INDEX jobs_running ON jobs (created, id) WHERE state = 'running';
CREATE INDEX jobs_image ON jobs (image, created);

-- Each write of the catalog is one statement, with no transaction around it that a paused process could leave open.
-- What must change together with the row it names, changes by trigger.

CREATE FUNCTION accepted_image_has_first_job() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO jobs (id, image, recipe, pixels, state, runs, created)
    VALUES (NEW.first_job, NEW.id, NEW.first_recipe, NEW.pixels, 'queued', 0, NEW.created);
    RETURN NULL;
END $$;

CREATE TRIGGER an_accepted_image_has_its_first_job AFTER UPDATE OF state ON images
FOR EACH ROW WHEN (OLD.state = 'receiving' AND NEW.state = 'accepted')
EXECUTE FUNCTION accepted_image_has_first_job();

CREATE FUNCTION new_job_is_latest() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE images SET latest_job = NEW.id, latest_state = NEW.state WHERE id = NEW.image;
    RETURN NULL;
END $$;

CREATE TRIGGER a_new_job_is_its_images_latest AFTER INSERT ON jobs
FOR EACH ROW EXECUTE FUNCTION new_job_is_latest();

CREATE FUNCTION image_shows_latest_state() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE images SET latest_state = NEW.state WHERE id = NEW.image AND latest_job = NEW.id;
    RETURN NULL;
END $$;

CREATE TRIGGER an_image_shows_its_latest_jobs_state AFTER UPDATE OF state ON jobs
FOR EACH ROW WHEN (OLD.state <> NEW.state)
EXECUTE FUNCTION image_shows_latest_state();
