//! A database that fails on demand, before or after it runs a statement.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use server::catalog::{Database, Error, Reply, Result, Statement};

use testkit::statements;

/// When a statement fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It doesn't run.
    Before,
    /// It runs, and its reply is lost.
    After,
}

/// A database with injected faults: the name of the statement, when it fails, and the number of remaining failures.
pub struct Faulty {
    inner: Arc<dyn Database>,
    faults: Mutex<Vec<(&'static str, Fault, usize)>>,
}

impl Faulty {
    pub fn new(inner: Arc<dyn Database>) -> Self {
        Self { inner, faults: Mutex::default() }
    }

    /// Makes the next `times` statements of this [name](statements::name) fail.
    pub fn fail(&self, name: &'static str, when: Fault, times: usize) {
        self.faults.lock().unwrap().push((name, when, times));
    }

    fn fault(&self, name: &str, when: Fault) -> Result<()> {
        let mut faults = self.faults.lock().unwrap();
        let due = faults.iter_mut().find(|(due, at, left)| *due == name && *at == when && *left > 0);
        match due {
            Some((_, _, left)) => {
                *left -= 1;
                Err(Error::from(sqlx::Error::Io(std::io::Error::other("a fault on command"))))
            }
            None => Ok(()),
        }
    }
}

#[async_trait]
impl Database for Faulty {
    async fn run(&self, statement: Statement) -> Result<Reply> {
        let name = statements::name(&statement);
        self.fault(name, Fault::Before)?;
        let reply = self.inner.run(statement).await;
        self.fault(name, Fault::After)?;
        reply
    }
}
