-- What is made of images besides: pyramids for deep zoom, and what is remembered of a job's tasks.
-- The same tables as in ../sqlite; change both.

-- A row for each original and each result. A claim is a name that is never given twice; the store's key bears it.
CREATE TABLE pyramids (
    image   TEXT   NOT NULL REFERENCES images (id) ON DELETE CASCADE,
    job     TEXT   NOT NULL,                 -- whose result it is of; empty: of the original
    claim   TEXT,                            -- who makes it, or made it
    tries   BIGINT NOT NULL DEFAULT 0,
    touched BIGINT NOT NULL DEFAULT 0,       -- when its maker last said that it goes on
    bytes   BIGINT,                          -- the file's length, once it is there
    reason  TEXT,                            -- why there will be none
    PRIMARY KEY (image, job)
);
CREATE INDEX pyramids_wanted ON pyramids (touched, image, job) WHERE bytes IS NULL AND reason IS NULL;

INSERT INTO pyramids (image, job) SELECT id, '' FROM images WHERE state = 'accepted';
INSERT INTO pyramids (image, job) SELECT image, id FROM jobs WHERE state = 'done';

CREATE FUNCTION accepted_image_wants_pyramid() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO pyramids (image, job) VALUES (NEW.id, '');
    RETURN NULL;
END $$;

CREATE TRIGGER an_accepted_image_wants_a_pyramid AFTER UPDATE OF state ON images
FOR EACH ROW WHEN (OLD.state = 'receiving' AND NEW.state = 'accepted')
EXECUTE FUNCTION accepted_image_wants_pyramid();

CREATE FUNCTION result_wants_pyramid() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO pyramids (image, job) VALUES (NEW.image, NEW.id);
    RETURN NULL;
END $$;

CREATE TRIGGER a_result_wants_a_pyramid AFTER UPDATE OF state ON jobs
FOR EACH ROW WHEN (OLD.state <> 'done' AND NEW.state = 'done')
EXECUTE FUNCTION result_wants_pyramid();

-- How a job's tasks went, as JSON, written when it ends.
ALTER TABLE jobs ADD COLUMN timeline TEXT;
