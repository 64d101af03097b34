-- What has ended, what nobody knows, and through which coordinator the installation is led.
-- The same tables in ../postgres; change both.

-- Ids of images, uploads, runs and pyramid claims that ended and that no other row names any more. Only what a row says has
-- ended may be deleted from the store: a row that is missing proves nothing (a restored backup, a replica that lags).
CREATE TABLE tombstones (
    id    TEXT   NOT NULL PRIMARY KEY,
    image TEXT   NOT NULL,
    at    BIGINT NOT NULL
);
CREATE INDEX tombstones_image ON tombstones (image);
CREATE INDEX tombstones_at ON tombstones (at);

-- Objects in the store that no row knows: quarantined.
CREATE TABLE orphans (
    name   TEXT   NOT NULL PRIMARY KEY,      -- the store's key; `<key>#<n>` of an unfinished file
    sweep  TEXT   NOT NULL,                  -- the sweep that last saw it
    waited BIGINT NOT NULL,                  -- ms in quarantine: sums of masters' monotonic clocks
    fate   TEXT   CHECK (fate IN ('adopted', 'discarded'))
);

-- Raised again and again; the store's mark carries the highest that it has seen.
ALTER TABLE installation ADD COLUMN generation BIGINT NOT NULL DEFAULT 0;
-- What an operator has to decide, as a sentence.
ALTER TABLE installation ADD COLUMN alert TEXT;

-- The coordinator through which this installation is led. Every process that uses it raises `beat`.
CREATE TABLE coordination (
    one         BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    coordinator TEXT   NOT NULL,             -- its id; empty: none yet
    place       TEXT   NOT NULL,             -- where it is, for people
    beat        BIGINT NOT NULL
);
INSERT INTO coordination (one, coordinator, place, beat) VALUES (1, '', '', 0);

CREATE TRIGGER a_deleted_image_has_ended AFTER DELETE ON images
BEGIN
    INSERT INTO tombstones (id, image, at) VALUES (OLD.id, OLD.id, CAST(unixepoch('subsec') * 1000 AS INTEGER))
    ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER an_upload_taken_over_has_ended AFTER UPDATE OF upload ON images
WHEN OLD.upload <> NEW.upload
BEGIN
    INSERT INTO tombstones (id, image, at) VALUES (OLD.upload, OLD.id, CAST(unixepoch('subsec') * 1000 AS INTEGER))
    ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER a_replaced_run_has_ended AFTER UPDATE OF run ON jobs
WHEN OLD.run IS NOT NULL AND OLD.run IS NOT NEW.run
BEGIN
    INSERT INTO tombstones (id, image, at) VALUES (OLD.run, OLD.image, CAST(unixepoch('subsec') * 1000 AS INTEGER))
    ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER a_replaced_claim_has_ended AFTER UPDATE OF claim ON pyramids
WHEN OLD.claim IS NOT NULL AND OLD.claim IS NOT NEW.claim
BEGIN
    INSERT INTO tombstones (id, image, at) VALUES (OLD.claim, OLD.image, CAST(unixepoch('subsec') * 1000 AS INTEGER))
    ON CONFLICT DO NOTHING;
END;
