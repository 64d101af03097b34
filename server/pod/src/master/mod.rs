//! The master: what the leading pod does during its term.
//!
//! [`term`] begins and ends it, and polls: [`activation`] starts runs of queued jobs, [`reconciliation`] repairs what rows and znodes
//! disagree about, [`deletion`] deletes images. A [`driver`] for each active job creates its tasks ([`job_tasks`]), investigates
//! it when it stands still ([`standstill`], [`vigil`]) and ends it ([`job_end`]). The [`sweeper`] frees the store, and
//! [`event_log`] records the events that no other record shows.
//!
//! # Why it is safe
//! - Every write to znodes goes through the [`Fence`](coord::fence) and carries the versions that were read; every write
//!   to the catalog carries the [`Epoch`](catalog::Epoch). A master that was deposed without knowing it changes nothing.
//! - It keeps no state of its own that matters: [`step`](pipeline::job::step) derives each action from what was read.
//! - One loop activates, reconciles and deletes in sequence, and each job has one driver: no two actions of one master race.

pub(crate) mod term;

mod activation;
mod context;
mod deletion;
mod driver;
mod error;
mod event_log;
mod job_end;
mod job_tasks;
mod reconciliation;
mod standstill;
mod sweeper;
mod vigil;
