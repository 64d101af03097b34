//! The master: what the leading pod does during its term.
//!
//! [`term`] begins and ends it. A [`driver`] for each active job creates its tasks ([`job_tasks`]), looks into it when it stands
//! still ([`standstill`], [`vigil`]) and ends it ([`job_end`]). [`deletion`] and the [`sweeper`] free the store, and
//! [`event_log`] records what no other record tells.

pub(crate) mod term;

mod context;
mod deletion;
mod driver;
mod error;
mod event_log;
mod job_end;
mod job_tasks;
mod standstill;
mod sweeper;
mod vigil;
