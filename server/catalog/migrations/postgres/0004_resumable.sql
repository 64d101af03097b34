-- Uploads that go on where they broke off, whichever pod they are sent to next. The same in ../sqlite; change both.

-- How many bytes a resumable upload will have. NULL: it is sent in one request.
ALTER TABLE images ADD COLUMN length BIGINT;

-- What of it lies in the store, part by part and without gaps.
CREATE TABLE upload_parts (
    upload TEXT   NOT NULL,
    start  BIGINT NOT NULL,
    bytes  BIGINT NOT NULL CHECK (bytes > 0),
    key    TEXT   NOT NULL,                  -- the store's
    image  TEXT   NOT NULL REFERENCES images (id) ON DELETE CASCADE,
    PRIMARY KEY (upload, start)
);
CREATE INDEX upload_parts_image ON upload_parts (image);
