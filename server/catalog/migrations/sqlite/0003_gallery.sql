-- What the gallery filters by and places images by, and a deletion that can be undone for a while.
-- The same columns as in ../postgres; change both.

-- Since when an image is deleted in a way that can be undone (its state is 'deleting'). NULL in that state: for good.
ALTER TABLE images ADD COLUMN trashed BIGINT;
-- A picture of some bytes to show until the thumbnail is there: ThumbHash in base64. Written when a thumbnail was rendered.
ALTER TABLE images ADD COLUMN thumbhash TEXT;
-- The latest job's; kept by the trigger below.
ALTER TABLE images ADD COLUMN latest_method TEXT;
-- What the header says, to filter by. Follows from `info`, so that no pod of an earlier version leaves it out.
ALTER TABLE images ADD COLUMN format TEXT GENERATED ALWAYS AS (json_extract(info, '$.format')) VIRTUAL;
ALTER TABLE images ADD COLUMN depth BIGINT GENERATED ALWAYS AS (json_extract(info, '$.depth')) VIRTUAL;
-- The tile's shape in one character, as in shared/src/masonry.rs: 35 + 196 h / (w + h) - 49 of the upright picture.
ALTER TABLE images ADD COLUMN shape TEXT GENERATED ALWAYS AS (char(35 + max(0, min(91,
    (392 * json_extract(info, CASE WHEN json_extract(info, '$.orientation') >= 5 THEN '$.width' ELSE '$.height' END)
        + json_extract(info, '$.width') + json_extract(info, '$.height'))
    / (2 * (json_extract(info, '$.width') + json_extract(info, '$.height'))) - 49)))) VIRTUAL;

UPDATE images SET latest_method = (SELECT json_extract(recipe, '$.method') FROM jobs WHERE jobs.id = images.latest_job);

DROP TRIGGER a_new_job_is_its_images_latest;
CREATE TRIGGER a_new_job_is_its_images_latest AFTER INSERT ON jobs
BEGIN
    UPDATE images SET latest_job = NEW.id, latest_state = NEW.state, latest_method = json_extract(NEW.recipe, '$.method')
    WHERE id = NEW.image;
END;

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
