-- Whose unfinished upload it is, so that no client can promise away all of the room. The same in ../sqlite; change both.

-- The client's address while a resumable upload is being received. NULL: not known, or accepted.
ALTER TABLE images ADD COLUMN client TEXT;
