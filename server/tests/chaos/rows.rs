//! Checks the write history of an array's catalog. A trigger installed by the test logs each change of a job and of the epoch
//! with the database user who made it; each pod has its own user.
//!
//! A master's statement locks the epoch's row while it runs, and so does the statement that takes the epoch. So the log's order
//! is the order of the epochs, and a master's write by any pod but the one that last took the epoch is a stale commit.

use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

/// The trigger's tables and functions, for a database that has its schema.
const WITNESS: &str = r"
CREATE TABLE chaos_log (
    seq BIGSERIAL PRIMARY KEY, who TEXT NOT NULL, job TEXT, image TEXT, before TEXT, after TEXT,
    run_before TEXT, run_after TEXT, result TEXT, epoch BIGINT);
CREATE FUNCTION chaos_log_job() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO chaos_log (who, job, image, before, after, run_before, run_after, result)
    VALUES (session_user, NEW.id, NEW.image, CASE WHEN TG_OP = 'UPDATE' THEN OLD.state END, NEW.state,
            CASE WHEN TG_OP = 'UPDATE' THEN OLD.run END, NEW.run, NEW.result);
    RETURN NULL;
END $$;
CREATE TRIGGER chaos_log_job AFTER INSERT OR UPDATE ON jobs FOR EACH ROW EXECUTE FUNCTION chaos_log_job();
CREATE FUNCTION chaos_log_epoch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO chaos_log (who, epoch) VALUES (session_user, NEW.n);
    RETURN NULL;
END $$;
CREATE TRIGGER chaos_log_epoch AFTER UPDATE ON epoch FOR EACH ROW EXECUTE FUNCTION chaos_log_epoch();
";

/// Installs the trigger in a new database, and creates a user for each pod.
pub async fn install(catalog: &str, pods: &[String]) {
    let mut admin = PgConnection::connect(catalog).await.unwrap();
    for pod in pods {
        let role = format!(
            "DO $$ BEGIN CREATE ROLE \"{pod}\" LOGIN SUPERUSER; EXCEPTION WHEN duplicate_object THEN NULL; END $$"
        );
        sqlx::raw_sql(AssertSqlSafe(role)).execute(&mut admin).await.unwrap();
    }
    sqlx::raw_sql(WITNESS).execute(&mut admin).await.unwrap();
    admin.close().await.unwrap();
}

/// Findings in the history of an array's catalog.
#[derive(Debug, Default)]
pub struct Findings {
    /// Master's writes by a pod that hadn't taken the latest epoch.
    pub stale: Vec<String>,
    /// Jobs that were published twice.
    pub twice: Vec<String>,
    /// Number of epochs taken.
    pub epochs: usize,
    /// Number of master's writes.
    pub writes: usize,
}

/// Checks the log.
pub async fn judge(catalog: &mut PgConnection) -> Findings {
    let mut found = Findings::default();
    let mut holder = String::new();
    let mut published = std::collections::BTreeSet::new();
    for row in sqlx::query("SELECT * FROM chaos_log ORDER BY seq").fetch_all(catalog).await.unwrap() {
        let who: String = row.get("who");
        let Some(job) = row.get::<Option<String>, _>("job") else {
            holder = who;
            found.epochs += 1;
            continue;
        };
        let [before, after, run_before, run_after] =
            ["before", "after", "run_before", "run_after"].map(|column| row.get::<Option<String>, _>(column));
        let (state, seq) = (after.clone().unwrap_or_default(), row.get::<i64, _>("seq"));
        let by_master = match before.as_deref() {
            // Accepting an image creates its job.
            None => false,
            Some("failed") if state == "queued" => false,
            Some(_) => before != after || run_before != run_after,
        };
        if !by_master {
            continue;
        }
        found.writes += 1;
        if who != holder {
            found.stale.push(format!("row {seq}: {who} made job {job} {state} in the epoch of {holder}"));
        }
        if state == "done" && !published.insert(job.clone()) {
            found.twice.push(format!("row {seq}: {job} was published twice"));
        }
    }
    found
}
