//! The catalog's database with injected faults, as seen by one life of a pod. Paused time stands still while a statement runs; a
//! statement that has started runs to its end, whether or not anything still waits for it.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use server::catalog::{self, Access, Arg, Catalog, Database, Error, Reply, Result, Statement};
use sqlx::SqlitePool;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::clock;
use crate::faults::{Effect, Faults, Operation, Play, Port};
use crate::history::{Fact, History};
use crate::life::Life;
use testkit::elapse;
use testkit::statements::{self, FENCED};

/// Duration of a failing statement.
const MOMENT: Duration = Duration::from_millis(1);
/// Number of characters of a parameter that the history shows.
const SHOWN: usize = 200;

/// The database that all lives share, whose clock shows the run's virtual time.
pub struct Shelf {
    database: Arc<dyn Database>,
    began: (Instant, Duration),
    /// For queries of the test itself.
    pub rows: SqlitePool,
}

impl Shelf {
    pub fn new(database: Arc<dyn Database>, rows: SqlitePool) -> Arc<Self> {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970");
        Arc::new(Self { database, began: (Instant::now(), wall), rows })
    }

    /// Returns the catalog without faults.
    pub fn catalog(self: &Arc<Self>) -> Arc<dyn Catalog> {
        catalog::over(self.clone())
    }
}

#[async_trait]
impl Database for Shelf {
    async fn run(&self, mut statement: Statement) -> Result<Reply> {
        let (began, wall) = self.began;
        let now = (wall + began.elapsed()).as_millis();
        statement.sql = statement.sql.replace("{now}", &now.to_string());
        let _still = clock::still();
        self.database.run(statement).await
    }
}

/// The database as seen by one life.
pub struct FaultyDatabase {
    pub shelf: Arc<Shelf>,
    pub life: Arc<Life>,
    pub faults: Arc<Faults>,
    pub history: Arc<History>,
}

fn unknown(why: &str, operation: &Operation) -> Result<Reply> {
    Err(Error::from(sqlx::Error::Io(std::io::Error::other(format!("{why} ({})", operation.name)))))
}

#[async_trait]
impl Database for FaultyDatabase {
    async fn run(&self, statement: Statement) -> Result<Reply> {
        let operation = operation(&statement);
        self.life.beat().await;
        let play = self.faults.play(&self.life, &operation);
        let mut stall = None;
        match &play {
            Some(Play::Fail) => {
                elapse(MOMENT).await;
                return unknown("the statement wasn't sent", &operation);
            }
            Some(Play::Late(length)) => {
                // It is already in flight and arrives, whatever happens to the pod.
                drop(self.submit(operation.clone(), Some(*length), statement));
                self.life.beat().await;
                return unknown("no answer yet", &operation);
            }
            Some(Play::Stall(length)) => stall = Some(*length),
            Some(Play::PauseBefore(length)) => self.life.pause(*length),
            Some(Play::CrashBefore) => self.life.crash(),
            Some(Play::Expire) => self.life.expire(),
            Some(Play::Disconnect(length)) => self.life.disconnect(*length),
            Some(Play::Lag(length)) => self.life.lag(*length),
            Some(Play::LoseReply | Play::PauseAfter(_) | Play::CrashAfter | Play::Evict(_) | Play::Corrupt) | None => {}
        }
        self.life.beat().await;
        let reply = self.submit(operation.clone(), stall, statement);
        let result = reply.await.unwrap_or_else(|_| unknown("the run has ended", &operation));
        match play {
            Some(Play::PauseAfter(length)) => self.life.pause(length),
            Some(Play::CrashAfter) => self.life.crash(),
            _ => {}
        }
        self.life.beat().await;
        if play == Some(Play::LoseReply) { unknown("the reply was lost", &operation) } else { result }
    }
}

impl FaultyDatabase {
    /// Runs a statement, after an optional delay; it takes effect even if the caller no longer waits.
    fn submit(
        &self,
        operation: Operation,
        late: Option<Duration>,
        statement: Statement,
    ) -> oneshot::Receiver<Result<Reply>> {
        let (reply, answer) = oneshot::channel();
        let (shelf, history, who) = (Arc::clone(&self.shelf), Arc::clone(&self.history), self.life.label());
        tokio::spawn(async move {
            if let Some(length) = late {
                elapse(length).await;
            }
            history.operation();
            let result = shelf.run(statement.clone()).await;
            match &result {
                Ok(reply) if operation.effect == Effect::Writes => {
                    history.tell(&who, || format!("{} {}: {} rows", operation.name, operation.what, reply.changed));
                }
                Ok(_) => {}
                Err(error) => history.tell(&who, || format!("{} {}: {error:?}", operation.name, operation.what)),
            }
            if let Ok(reply) = &result {
                note(&history, &statement, &operation, reply);
            }
            // The caller may have died meanwhile.
            let _ = reply.send(result);
        });
        answer
    }
}

fn operation(statement: &Statement) -> Operation {
    let effect = if statement.access == Access::Write { Effect::Writes } else { Effect::Reads };
    let what: Vec<String> = statement.args.iter().skip(usize::from(is_fenced(statement))).map(shown).collect();
    Operation { port: Port::Catalog, name: statements::name(statement), effect, what: what.join(" ") }
}

fn shown(arg: &Arg) -> String {
    match arg {
        Arg::Text(text) => text.iter().flat_map(|text| text.chars()).take(SHOWN).collect(),
        Arg::Int(int) => int.to_string(),
    }
}

/// Returns whether a statement is a write of a master, whose first parameter is the candidacy.
fn is_fenced(statement: &Statement) -> bool {
    statement.sql.starts_with(FENCED)
}

fn first(statement: &Statement) -> String {
    statement.args.first().map(shown).unwrap_or_default()
}

/// Records the facts in a reply that the checker needs.
fn note(history: &History, statement: &Statement, operation: &Operation, reply: &Reply) {
    let applied = reply.changed > 0;
    if is_fenced(statement) {
        let (candidacy, what) = (first(statement), operation.what.clone());
        history.note(Fact::Fenced { candidacy, name: operation.name, what, applied });
        return;
    }
    match operation.name {
        "still_mine" if reply.rows.is_empty() => history.note(Fact::NotMine { candidacy: first(statement) }),
        "take_epoch" => {
            let n = reply.rows[0].get("n").expect("the epoch's number");
            history.note(Fact::Epoch { n, candidacy: first(statement) });
        }
        "retry" if applied => history.note(Fact::Requeued { job: first(statement) }),
        _ => {}
    }
}
