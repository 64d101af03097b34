//! Decides which labels to write, and publishes the labels for display.

use std::sync::Arc;

use shared::cluster::Labels;
use tokio::sync::watch;

use super::pods::{Seen, Sibling};
use super::settings::Settings;

/// This pod's epoch while it is the master, else `None`.
pub type Leadership = Option<u64>;

pub(super) const MASTER: &str = "master";
pub(super) const WORKER: &str = "worker";

/// A write to a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) pod: String,
    /// Precondition: the pod's version as read.
    pub(super) version: Option<String>,
    pub(super) role: &'static str,
    /// The writing master's epoch; `None` when a pod takes back its own label.
    pub(super) epoch: Option<u64>,
}

/// Outcome of the decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Plan {
    /// Write first all the others, then this pod.
    Write { others: Vec<Change>, own: Option<Change> },
    /// This pod doesn't exist; write nothing.
    Absent,
    /// A later master has written labels: write nothing.
    Superseded { pod: String, epoch: u64 },
}

impl Plan {
    /// The plan when every label is as it should be.
    pub(super) fn nothing() -> Self {
        Plan::Write { others: Vec::new(), own: None }
    }
}

/// Decides what `me` has to write, given these pods.
pub(super) fn plan<'a>(me: &str, leads: Leadership, pods: impl Iterator<Item = &'a Sibling> + Clone) -> Plan {
    let Some(own) = pods.clone().find(|pod| pod.name == me) else { return Plan::Absent };
    let is_master = |pod: &Sibling| pod.role.as_deref() == Some(MASTER);
    let Some(epoch) = leads else {
        let own = is_master(own).then(|| change(own, WORKER, None));
        return Plan::Write { others: Vec::new(), own };
    };
    let latest = pods.clone().max_by_key(|pod| pod.epoch);
    if let Some((pod, later)) = latest.and_then(|pod| Some((pod, pod.epoch.filter(|later| *later > epoch)?))) {
        return Plan::Superseded { pod: pod.name.clone(), epoch: later };
    }
    // A pod already labelled worker gets the epoch too, which invalidates what an older master has read of it.
    let stale = |pod: &Sibling, role: &str| pod.role.as_deref() != Some(role) || pod.epoch != Some(epoch);
    let others = pods.filter(|pod| pod.name != me && stale(pod, WORKER));
    let others = others.map(|pod| change(pod, WORKER, Some(epoch))).collect();
    Plan::Write { others, own: stale(own, MASTER).then(|| change(own, MASTER, Some(epoch))) }
}

fn change(pod: &Sibling, role: &'static str, epoch: Leadership) -> Change {
    Change { pod: pod.name.clone(), version: pod.version.clone(), role, epoch }
}

/// Publishes the pods labelled master and the current failure whenever they change.
pub(super) async fn publish(
    settings: Arc<Settings>,
    mut seen: watch::Receiver<Seen>,
    mut labelling: watch::Receiver<Option<String>>,
    publish: watch::Sender<Option<Labels>>,
) {
    loop {
        let labels = {
            let (seen, labelling) = (seen.borrow_and_update(), labelling.borrow_and_update());
            let ours = settings.inside || seen.pod(&settings.pod).is_some();
            ours.then(|| labels(&seen, labelling.as_ref()))
        };
        publish.send_if_modified(|shown| {
            let changed = *shown != labels;
            *shown = labels;
            changed
        });
        let open = tokio::select! {
            changed = seen.changed() => changed.is_ok(),
            changed = labelling.changed() => changed.is_ok(),
        };
        if !open {
            return;
        }
    }
}

fn labels(seen: &Seen, labelling: Option<&String>) -> Labels {
    let pods = seen.pods.iter().flat_map(|pods| pods.values());
    let masters = pods.filter(|pod| pod.role.as_deref() == Some(MASTER)).map(|pod| pod.name.clone());
    Labels { masters: masters.collect(), trouble: labelling.or(seen.trouble.as_ref()).cloned() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::pods::Instance;

    fn pod(name: &str, role: Option<&str>, epoch: Option<u64>) -> Sibling {
        Sibling {
            name: name.to_owned(),
            uid: format!("uid-{name}"),
            version: Some(format!("v-{name}")),
            role: role.map(str::to_owned),
            epoch,
            container: Instance::default(),
        }
    }

    fn writes(plan: Plan) -> Vec<(String, &'static str, Option<u64>)> {
        let Plan::Write { others, own } = plan else { panic!("{plan:?}") };
        others.into_iter().chain(own).map(|change| (change.pod, change.role, change.epoch)).collect()
    }

    #[test]
    fn a_new_master_stamps_every_pod_and_itself_last() {
        let pods = [
            pod("a", Some("worker"), None),
            pod("b", Some("master"), Some(3)),
            pod("c", Some("worker"), Some(3)),
            pod("d", None, None),
        ];
        let expected = [("b", "worker"), ("c", "worker"), ("d", "worker"), ("a", "master")];
        let expected = expected.map(|(name, role)| (name.to_owned(), role, Some(4)));
        assert_eq!(writes(plan("a", Some(4), pods.iter())), expected);
    }

    #[test]
    fn what_is_written_depends_on_what_was_read() {
        let pods = [pod("a", None, None), pod("b", Some("master"), None)];
        let Plan::Write { others, own } = plan("a", Some(1), pods.iter()) else { panic!() };
        assert_eq!(others[0].version.as_deref(), Some("v-b"));
        assert_eq!(own.unwrap().version.as_deref(), Some("v-a"));
    }

    #[test]
    fn a_labelled_array_is_left_alone() {
        let pods = [pod("a", Some("master"), Some(4)), pod("b", Some("worker"), Some(4))];
        assert_eq!(plan("a", Some(4), pods.iter()), Plan::nothing());
        assert_eq!(plan("b", None, pods.iter()), Plan::nothing());
    }

    #[test]
    fn an_older_master_writes_nothing_once_a_later_one_has() {
        let pods = [pod("a", Some("worker"), Some(2)), pod("b", Some("master"), Some(2))];
        assert_eq!(plan("a", Some(1), pods.iter()), Plan::Superseded { pod: "b".to_owned(), epoch: 2 });
    }

    #[test]
    fn a_pod_that_does_not_lead_takes_only_its_own_label_back() {
        let pods = [pod("a", Some("master"), Some(1)), pod("b", Some("master"), Some(1))];
        assert_eq!(writes(plan("a", None, pods.iter())), [("a".to_owned(), "worker", None)]);
    }

    #[test]
    fn nothing_is_written_where_the_own_pod_is_not_there() {
        let pods = [pod("b", Some("master"), Some(1))];
        assert_eq!(plan("a", Some(7), pods.iter()), Plan::Absent);
    }
}
