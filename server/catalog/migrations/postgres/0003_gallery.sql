-- What the gallery filters by and places images by, and a deletion that can be undone for a while.
-- The same columns as in ../sqlite; change both.

-- Since when an image is deleted in a way that can be undone (its state is 'deleting'). NULL in that state: for good.
ALTER TABLE images ADD COLUMN trashed BIGINT;
-- A picture of some bytes to show until the thumbnail is there: ThumbHash in base64. Written when a thumbnail was rendered.
ALTER TABLE images ADD COLUMN thumbhash TEXT;
-- The latest job's; kept by the trigger below.
ALTER TABLE images ADD COLUMN latest_method TEXT;
-- What the header says, to filter by. Follows from `info`, so that no pod of an earlier version leaves it out.
ALTER TABLE images ADD COLUMN format TEXT GENERATED ALWAYS AS ((info::jsonb)->>'format') STORED;
ALTER TABLE images ADD COLUMN depth BIGINT GENERATED ALWAYS AS (((info::jsonb)->>'depth')::bigint) STORED;
-- The tile's shape in one character, as in shared/src/masonry.rs: 35 + 196 h / (w + h) - 49 of the upright picture.
ALTER TABLE images ADD COLUMN shape TEXT COLLATE "C" GENERATED ALWAYS AS (chr((35 + GREATEST(0, LEAST(91,
    (392 * ((info::jsonb)->>(CASE WHEN ((info::jsonb)->>'orientation')::bigint >= 5 THEN 'width' ELSE 'height' END))::bigint
        + ((info::jsonb)->>'width')::bigint + ((info::jsonb)->>'height')::bigint)
    / (2 * (((info::jsonb)->>'width')::bigint + ((info::jsonb)->>'height')::bigint)) - 49)))::int)) STORED;

UPDATE images SET latest_method = (SELECT (recipe::jsonb)->>'method' FROM jobs WHERE jobs.id = images.latest_job);

CREATE OR REPLACE FUNCTION new_job_is_latest() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE images SET latest_job = NEW.id, latest_state = NEW.state, latest_method = (NEW.recipe::jsonb)->>'method'
    WHERE id = NEW.image;
    RETURN NULL;
END $$;

-- The gallery, in each order, whole and by the latest job's state. With all that is searched, filtered and placed by, so
-- that a page and its sections are found in an index alone.
DROP INDEX images_created;
DROP INDEX images_name;
DROP INDEX images_state_created;
DROP INDEX images_state_name;
CREATE INDEX images_created ON images (created, id, name_key, format, depth, latest_method, shape) WHERE state = 'accepted';
CREATE INDEX images_name ON images (name_key, id, format, depth, latest_method, shape) WHERE state = 'accepted';
CREATE INDEX images_state_created ON images (latest_state, created, id, name_key, format, depth, latest_method, shape)
    WHERE state = 'accepted';
CREATE INDEX images_state_name ON images (latest_state, name_key, id, format, depth, latest_method, shape)
    WHERE state = 'accepted';
