//! Health of the array, and warnings about its capacity, in sentences.

use shared::cluster::{ClusterView, Health};
use shared::number::Decimal;

use crate::format;

/// Returns title and sentence of the gravest problem that keeps the array from working; `None` if there is none.
pub fn trouble(view: &ClusterView) -> Option<(&'static str, String)> {
    if view.health != Health::Ok {
        return Some(health_sentence(view));
    }
    let outage = view.room.outage.clone().map(|sentence| ("The store is unavailable", sentence));
    let alert = view.alert.clone().map(|sentence| ("An operator has to decide", sentence));
    outage.or(alert).or_else(|| Some(("Uploads are paused", view.room.refused.clone()?)))
}

/// Returns title and sentence of the array's health.
pub fn health_sentence(view: &ClusterView) -> (&'static str, String) {
    let (pods, min_pods) = (view.live(), view.min_pods);
    match view.health {
        Health::Ok => ("All is well", "A master leads, and jobs run as they arrive.".to_owned()),
        Health::NoMaster if view.leader.as_ref().is_some_and(|leader| leader.epoch.is_some()) => {
            ("The master isn't responding", silence_sentence(view))
        }
        Health::NoMaster => ("There is no master", "Uploads are kept and run once a master is elected.".to_owned()),
        Health::TooFewPods => (
            "Too few pods",
            format!(
                "{pods} of at least {min_pods} {} up. Uploads are kept and run once more pods join.",
                if pods == 1 { "is" } else { "are" }
            ),
        ),
        Health::Disconnected => {
            let since = view.cut_off.map(|at| format!(" since {} UTC", format::clock(at, None))).unwrap_or_default();
            (
                "The coordinator can't be reached",
                format!(
                    "This pod hasn't reached it{since}, so this page may be outdated. Uploads are accepted and wait; work resumes by itself."
                ),
            )
        }
    }
}

/// Returns which master isn't responding, and when another pod takes over, as a sentence.
fn silence_sentence(view: &ClusterView) -> String {
    let name = view.leader.as_ref().map(|leader| leader.pod.to_string()).unwrap_or_default();
    let pod = view.pods.iter().find(|pod| pod.pod.to_string() == name);
    let lease = pod.map(|pod| pod.lease_ms).filter(|lease| *lease > 0);
    let within = lease.map(|lease| format!(" in at most {} s", Decimal(lease as f64 / 1_000.0))).unwrap_or_default();
    format!("Unless {name} comes back, another pod takes over{within}. Uploads are kept and run then.")
}

/// Warns before and while uploads are refused: from nine tenths of the maximum backlog, and below twice the minimum of free
/// space.
pub fn room_sentence(view: &ClusterView) -> Option<String> {
    let (room, queued) = (&view.room, view.backlog.queued);
    if let Some(refused) = &room.refused {
        return Some(format!("Uploads are paused: {refused}"));
    }
    if room.max_backlog > 0 && queued >= room.max_backlog - room.max_backlog / 10 {
        return Some(format!(
            "{} of at most {} jobs are queued; above that, uploads are paused.",
            format::count(queued),
            format::count(room.max_backlog)
        ));
    }
    let free = room.free.filter(|free| *free < room.min_free.saturating_mul(2))?;
    Some(format!(
        "{} of the store's disk is free; below {}, uploads are paused.",
        format::bytes(free),
        format::bytes(room.min_free)
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use shared::cluster::{Leader, Room};

    use super::super::why::tests::view;
    use super::*;

    fn title(view: &ClusterView) -> Option<&'static str> {
        trouble(view).map(|(title, _)| title)
    }

    #[test]
    fn nothing_is_called_well_while_the_store_fails_or_uploads_are_refused() {
        assert_eq!(title(&view()), None);
        let refused = Room { refused: Some("full".to_owned()), ..Room::default() };
        assert_eq!(title(&ClusterView { room: refused.clone(), ..view() }), Some("Uploads are paused"));
        let outage = Room { outage: Some("It has been failing.".to_owned()), ..refused };
        assert_eq!(title(&ClusterView { room: outage.clone(), ..view() }), Some("The store is unavailable"));
        let none = ClusterView { room: outage, health: Health::NoMaster, leader: None, ..view() };
        assert_eq!(title(&none), Some("There is no master"));
    }

    #[test]
    fn a_master_with_an_epoch_that_does_not_lead_is_one_that_is_not_responding() {
        let pod: shared::id::PodName = "pod-1".parse().unwrap();
        let (address, node) = (String::new(), String::new());
        let leader = Leader { pod, address, epoch: Some(1), since: None, node, label: None };
        let (title, sentence) =
            trouble(&ClusterView { health: Health::NoMaster, leader: Some(leader), ..view() }).unwrap();
        assert_eq!(title, "The master isn't responding");
        assert!(sentence.starts_with("Unless pod-1 comes back, another pod takes over"), "{sentence}");
    }
}
