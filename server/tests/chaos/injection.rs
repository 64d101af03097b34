//! The injection of faults into an array.
//!
//! Each fault waits for its occasion, does its damage, and repairs what it broke; afterwards all processes run again.

use std::ops::RangeInclusive;
use std::time::Duration;

use server::wall::now;
use testkit::proxy::{Flow, Proxy};
use testkit::{Dice, elapse};
use tokio::sync::watch;

use crate::array::ProxiedArray;
use crate::faults::{Fault, Stage, Way, Whom};
use crate::pod::Pod;

/// How long to wait for an occasion; generous, because the machine may be busy, and only three of a hundred uploads are slow
/// ones to the master.
const OCCASION: Duration = Duration::from_secs(60);

/// A fault that was injected.
#[derive(Debug, Clone)]
pub struct Injected {
    /// Its name.
    pub name: String,
    /// Time of the injection, in ms since 1970.
    pub at: i64,
    /// Name of the affected pod; `None` for the ensemble.
    pub pod: Option<String>,
    /// The fault's name in the distribution of failovers, if it may end a master's term.
    pub deposes: Option<&'static str>,
    /// Whether the process died without warning.
    pub kills: bool,
}

impl Injected {
    /// Returns whether it killed this pod during this time, in ms since 1970. The time is recorded just before the kill.
    pub fn killed(&self, pod: &str, during: &RangeInclusive<i64>) -> bool {
        const ABOUT_TO: i64 = 1_000;
        let may_be = during.start() - ABOUT_TO..=*during.end();
        self.kills && self.pod.as_deref() == Some(pod) && may_be.contains(&self.at)
    }
}

/// Injects a fault. Returns what was done: several entries if processes are hit one after the other, none if there was no
/// occasion.
pub async fn inject(
    fault: Fault,
    array: &ProxiedArray,
    dice: &mut Dice,
    sending: &mut watch::Receiver<Option<usize>>,
) -> Vec<Injected> {
    let mut done = Vec::new();
    let mut note = |pod: Option<&Pod>| {
        let pod = pod.map(|pod| pod.name.clone());
        let kills = matches!(fault, Fault::Kill(..) | Fault::QuickRestart(_) | Fault::KillAll);
        done.push(Injected { name: fault.name(), at: now(), pod, deposes: fault.deposes(), kills });
    };
    let lease = array.lease;
    match fault {
        Fault::Kill(whom, stage) => {
            let Some(pod) = occasion(whom, stage, array, dice, sending).await else { return done };
            note(Some(pod));
            pod.kill();
            let rest = lease.as_millis() as u64;
            elapse(dice.millis(rest / 4, rest * 2)).await;
            revive(pod).await;
        }
        Fault::QuickRestart(whom) => {
            let pod = anyone(whom, array, dice).await;
            note(Some(pod));
            pod.kill();
            revive(pod).await;
        }
        Fault::KillAll => {
            array.pods.iter().for_each(|pod| note(Some(pod)));
            array.pods.iter().for_each(Pod::kill);
            array.pods.iter().for_each(Pod::start);
            for pod in &array.pods {
                pod.up().await;
            }
        }
        Fault::Pause(whom, stage) => {
            let Some(pod) = occasion(whom, stage, array, dice, sending).await else { return done };
            note(Some(pod));
            pod.signal("STOP");
            elapse(lease * 2).await;
            pod.signal("CONT");
        }
        Fault::RollingRestart => {
            for pod in &array.pods {
                note(Some(pod));
                assert!(pod.terminate(Duration::from_secs(30)).await, "{} didn't end well at SIGTERM", pod.name);
                revive(pod).await;
            }
        }
        Fault::OneWay(whom, way) => {
            let pod = anyone(whom, array, dice).await;
            note(Some(pod));
            match way {
                Way::Mute => pod.links.zookeeper.to_server(Flow::Held),
                Way::Deaf => pod.links.zookeeper.to_client(Flow::Held),
            }
            elapse(lease * 2).await;
            pod.links.zookeeper.mend();
        }
        Fault::ShortCut(whom) => {
            let pod = anyone(whom, array, dice).await;
            note(Some(pod));
            pod.links.zookeeper.cut();
            elapse(dice.millis(20, lease.as_millis() as u64 / 3)).await;
            pod.links.zookeeper.mend();
        }
        Fault::LongCut(whom) => {
            let pod = anyone(whom, array, dice).await;
            note(Some(pod));
            pod.links.zookeeper.cut();
            elapse(lease * 2).await;
            pod.links.zookeeper.mend();
        }
        Fault::LostReplies(whom) => {
            let pod = anyone(whom, array, dice).await;
            note(Some(pod));
            lose_replies(&pod.links.zookeeper, dice).await;
        }
        Fault::LostRows(whom) => {
            let pod = anyone(whom, array, dice).await;
            note(Some(pod));
            lose_replies(&pod.links.catalog, dice).await;
        }
        Fault::SlowLink(whom) => {
            let pod = anyone(whom, array, dice).await;
            note(Some(pod));
            pod.links.zookeeper.to_server(Flow::Late(dice.millis(20, 150)));
            pod.links.zookeeper.to_client(Flow::Late(dice.millis(20, 150)));
            elapse(dice.millis(2_000, 4_000)).await;
            pod.links.zookeeper.mend();
        }
        Fault::Bridge(whom) => {
            let pod = anyone(whom, array, dice).await;
            let Some(store) = &pod.links.store else { return done };
            note(Some(pod));
            match dice.index(3) {
                0 => store.cut(),
                1 => store.refuse(),
                _ => store.to_client(Flow::Held),
            }
            elapse(dice.millis(2_000, 5_000)).await;
            store.mend();
        }
        Fault::NoCatalog => {
            let pod = anyone(Whom::Master, array, dice).await;
            note(Some(pod));
            match dice.index(3) {
                0 => pod.links.catalog.cut(),
                1 => pod.links.catalog.to_server(Flow::Held),
                _ => pod.links.catalog.to_client(Flow::Held),
            }
            elapse(dice.millis(1_000, 5_000)).await;
            pod.links.catalog.mend();
        }
        Fault::Switchover => {
            if array.switch_over().await {
                note(None);
            }
        }
        Fault::SplitViews => {
            note(None);
            split_views(array, dice).await;
        }
        Fault::EnsembleLeader => {
            let leader = (0..array.ensemble.size()).find(|index| array.ensemble.leads(*index));
            let Some(leader) = leader else { return done };
            note(None);
            array.ensemble.kill(leader);
            elapse(dice.millis(500, 3_000)).await;
            restart(array, vec![leader]).await;
        }
        Fault::NoQuorum(ms) => {
            let spared = dice.index(array.ensemble.size());
            let hit: Vec<usize> = (0..array.ensemble.size()).filter(|index| *index != spared).collect();
            note(None);
            hit.iter().for_each(|index| array.ensemble.kill(*index));
            elapse(Duration::from_millis(ms)).await;
            restart(array, hit).await;
        }
    }
    done
}

/// Waits until an image is at the stage and returns the pod to hit.
async fn occasion<'a>(
    whom: Whom,
    stage: Stage,
    array: &'a ProxiedArray,
    dice: &mut Dice,
    sending: &mut watch::Receiver<Option<usize>>,
) -> Option<&'a Pod> {
    if stage == Stage::Upload {
        let master = array.master().await;
        let fits = |to: &Option<usize>| to.is_some_and(|to| whom == Whom::Worker || to == master);
        let to = *tokio::time::timeout(OCCASION, sending.wait_for(fits)).await.ok()?.ok()?;
        return to.map(|to| &array.pods[to]);
    }
    let master = array.master().await;
    let (_, holder) = array.seen(|path| stage.fits(path), OCCASION).await?;
    Some(match whom {
        Whom::Master => &array.pods[master],
        Whom::Worker => match holder.filter(|holder| *holder != master) {
            Some(holder) => &array.pods[holder],
            None => other_than(master, array, dice),
        },
    })
}

async fn anyone<'a>(whom: Whom, array: &'a ProxiedArray, dice: &mut Dice) -> &'a Pod {
    let master = array.master().await;
    match whom {
        Whom::Master => &array.pods[master],
        Whom::Worker => other_than(master, array, dice),
    }
}

fn other_than<'a>(master: usize, array: &'a ProxiedArray, dice: &mut Dice) -> &'a Pod {
    let other = (master + 1 + dice.index(array.pods.len() - 1)) % array.pods.len();
    &array.pods[other]
}

async fn revive(pod: &Pod) {
    pod.start();
    pod.up().await;
}

async fn lose_replies(proxy: &Proxy, dice: &mut Dice) {
    for _ in 0..3 + dice.index(5) {
        proxy.lose_reply(1 + dice.index(20) as u32);
        elapse(dice.millis(100, 600)).await;
    }
}

/// Connects each pod to its own ZooKeeper server, and pauses one of them for longer than the session timeout.
async fn split_views(array: &ProxiedArray, dice: &mut Dice) {
    let servers = array.ensemble.size();
    let shift = dice.index(servers);
    for (at, pod) in array.pods.iter().enumerate() {
        pod.links.zookeeper.lead_to(array.servers().split_off((at + shift) % servers));
    }
    let paused = dice.index(servers);
    elapse(dice.millis(100, 500)).await;
    array.ensemble.pause(paused);
    elapse(array.lease * 3 / 2).await;
    array.ensemble.resume(paused);
    for pod in &array.pods {
        pod.links.zookeeper.lead_to(array.servers());
    }
}

/// Starts servers of the ensemble again, all at once, because two of three need each other to be ready.
pub async fn restart(array: &ProxiedArray, servers: Vec<usize>) {
    let ensemble = array.ensemble;
    let started = servers.into_iter().map(|index| tokio::task::spawn_blocking(move || ensemble.restart(index)));
    futures::future::try_join_all(started).await.expect("ZooKeeper starts again");
}
