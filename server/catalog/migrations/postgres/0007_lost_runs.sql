-- Runs that ended with the whole array are counted only where the work itself may be why, and what they finished is kept.
-- The same tables as in ../sqlite; change both.

-- Runs in a row, before this one, that ended with the array while they were worked on and finished no further task.
ALTER TABLE jobs ADD COLUMN losses BIGINT NOT NULL DEFAULT 0;
-- Whether this run counts as one of them if it ends so: 0 until a worker begins with it, and after an orderly stop.
ALTER TABLE jobs ADD COLUMN tried BIGINT NOT NULL DEFAULT 1;

-- Finished tasks of running jobs, for the next run.
CREATE TABLE finished_tasks (
    job   TEXT   NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    phase TEXT   NOT NULL,
    task  BIGINT NOT NULL,
    run   TEXT   NOT NULL,                   -- in which it was done
    key   TEXT   NOT NULL,                   -- the store's, of its output
    algo  BIGINT NOT NULL,                   -- the arithmetic that it was done with
    cut   TEXT   NOT NULL,                   -- JSON: how the image was cut
    done  TEXT   NOT NULL,                   -- JSON: the record of its znode
    PRIMARY KEY (job, phase, task)
);

CREATE FUNCTION ended_job_needs_no_finished_tasks() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM finished_tasks WHERE job = NEW.id;
    RETURN NULL;
END $$;

CREATE TRIGGER a_job_that_ended_needs_no_finished_tasks AFTER UPDATE OF state ON jobs
FOR EACH ROW WHEN (OLD.state = 'running' AND NEW.state <> 'running')
EXECUTE FUNCTION ended_job_needs_no_finished_tasks();
