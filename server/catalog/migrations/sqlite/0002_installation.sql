-- One row: who this catalog is. A store bears the mark of its catalog, so that no other one ever sweeps it.
-- The same table as in ../postgres; change both.
CREATE TABLE installation (
    one BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    id  TEXT   NOT NULL                      -- 32 hexadecimal digits
);
INSERT INTO installation (one, id) VALUES (1, lower(hex(randomblob(16))));
