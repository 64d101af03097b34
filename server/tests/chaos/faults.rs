//! The faults, and how they are injected into an array.
//!
//! Each fault waits for its occasion, does its damage, and repairs what it broke; afterwards all processes run again.

use std::ops::RangeInclusive;
use std::time::Duration;

use server::wall::now;
use shared::job::Phase;
use testkit::proxy::{Flow, Proxy};
use testkit::{Dice, elapse};
use tokio::sync::watch;

use crate::array::{Pixels, ProxiedArray};
use crate::pod::Pod;

/// How long to wait for an occasion; generous, because the machine may be busy, and only three of a hundred uploads are slow
/// ones to the master.
const OCCASION: Duration = Duration::from_secs(60);

/// The stage of an image's processing at which a process is hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    Upload,
    Split,
    Map,
    Reduce,
    Apply,
    Stitch,
    Publish,
}

impl Stage {
    /// All stages, in order.
    pub const ALL: [Stage; 7] =
        [Stage::Upload, Stage::Split, Stage::Map, Stage::Reduce, Stage::Apply, Stage::Stitch, Stage::Publish];

    /// Returns whether the creation of this znode means that an image has reached the stage.
    fn fits(self, path: &str) -> bool {
        let ends = |phase: Phase, end: &str| path.contains(&format!("/{phase}/")) && path.ends_with(end);
        match self {
            Stage::Upload => false,
            Stage::Split => ends(Phase::Split, "/lock"),
            Stage::Map => ends(Phase::Histograms, "/lock"),
            Stage::Reduce => ends(Phase::Histograms, "/done"),
            Stage::Apply => ends(Phase::Equalize, "/lock"),
            Stage::Stitch => ends(Phase::Stitch, "/lock"),
            Stage::Publish => ends(Phase::Stitch, "/done"),
        }
    }
}

/// The target of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whom {
    /// The master.
    Master,
    /// The pod that works at the stage, or any pod but the master.
    Worker,
}

/// The direction of a partition from ZooKeeper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// ZooKeeper doesn't hear the pod.
    Mute,
    /// The pod doesn't hear ZooKeeper.
    Deaf,
}

/// A fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// `SIGKILL` at a stage; started again within the session timeout or after it.
    Kill(Whom, Stage),
    /// `SIGKILL`, and started again at once, within the session timeout.
    QuickRestart(Whom),
    /// `SIGKILL` of all processes, which are started again at once.
    KillAll,
    /// `SIGSTOP` for twice the session timeout.
    Pause(Whom, Stage),
    /// `SIGTERM` to one process after the other, each started again.
    RollingRestart,
    /// One direction to ZooKeeper is held for longer than the session timeout.
    OneWay(Whom, Way),
    /// The connection to ZooKeeper is cut for less than the session timeout.
    ShortCut(Whom),
    /// The connection to ZooKeeper is cut for longer than the session timeout.
    LongCut(Whom),
    /// Connections to ZooKeeper break instead of delivering a reply, several times.
    LostReplies(Whom),
    /// Connections to PostgreSQL break instead of delivering a reply, several times.
    LostRows(Whom),
    /// All traffic with ZooKeeper is delayed.
    SlowLink(Whom),
    /// A pod reaches ZooKeeper but not the store.
    Bridge(Whom),
    /// The master reaches ZooKeeper but not PostgreSQL.
    NoCatalog,
    /// PostgreSQL's primary becomes read-only but keeps its connections, and its standby is promoted.
    Switchover,
    /// Each pod uses its own ZooKeeper server, and one of the servers is paused.
    SplitViews,
    /// The ensemble's leader is killed and started again.
    EnsembleLeader,
    /// Two of three ZooKeeper servers are killed and started again after this many ms.
    NoQuorum(u64),
}

impl Fault {
    /// Returns the fault's name in reports.
    pub fn name(self) -> String {
        let at = |stage: Stage| format!("{stage:?}").to_lowercase();
        let whom = |whom: Whom| format!("{whom:?}").to_lowercase();
        match self {
            Fault::Kill(who, stage) => format!("kill -9 of {} at {}", whom(who), at(stage)),
            Fault::QuickRestart(who) => format!("kill -9 and restart within the timeout, {}", whom(who)),
            Fault::KillAll => "kill -9 of all at once".to_owned(),
            Fault::Pause(who, stage) => format!("SIGSTOP for twice the timeout, {} at {}", whom(who), at(stage)),
            Fault::RollingRestart => "SIGTERM, rolling restart".to_owned(),
            Fault::OneWay(who, Way::Mute) => format!("one-way partition, {} is not heard", whom(who)),
            Fault::OneWay(who, Way::Deaf) => format!("one-way partition, {} hears nothing", whom(who)),
            Fault::ShortCut(who) => format!("cut from ZooKeeper, shorter than the timeout, {}", whom(who)),
            Fault::LongCut(who) => format!("cut from ZooKeeper, longer than the timeout, {}", whom(who)),
            Fault::LostReplies(who) => format!("lost replies of ZooKeeper, {}", whom(who)),
            Fault::LostRows(who) => format!("lost replies of PostgreSQL, {}", whom(who)),
            Fault::SlowLink(who) => format!("slow link to ZooKeeper, {}", whom(who)),
            Fault::Bridge(who) => format!("bridge: ZooKeeper without the store, {}", whom(who)),
            Fault::NoCatalog => "bridge: ZooKeeper without PostgreSQL, master".to_owned(),
            Fault::Switchover => "PostgreSQL switchover that keeps connections".to_owned(),
            Fault::SplitViews => "pods see different ZooKeeper servers, one of them paused".to_owned(),
            Fault::EnsembleLeader => "ZooKeeper leader killed".to_owned(),
            Fault::NoQuorum(_) => "quorum lost".to_owned(),
        }
    }

    /// Returns the fault's name in the distribution of failovers, if it ends a master's term.
    fn deposes(self) -> Option<&'static str> {
        match self {
            Fault::Kill(Whom::Master, _) => Some("kill -9"),
            Fault::QuickRestart(Whom::Master) => Some("kill -9, started again at once"),
            Fault::Pause(Whom::Master, _) => Some("SIGSTOP"),
            Fault::RollingRestart => Some("SIGTERM"),
            Fault::OneWay(Whom::Master, Way::Mute) | Fault::LongCut(Whom::Master) => Some("partition"),
            // ZooKeeper still hears the master until it gives up its session by itself, after 7/5 of the timeout.
            Fault::OneWay(Whom::Master, Way::Deaf) => Some("partition, the master hears nothing"),
            _ => None,
        }
    }

    /// Draws a random fault. `Bridge` requires a store that can be cut off.
    pub fn draw(dice: &mut Dice, pixels: Pixels) -> Self {
        let whom = *dice.pick(&[Whom::Master, Whom::Worker]);
        let stage = *dice.pick(&Stage::ALL);
        match dice.index(20) {
            0..=3 => Fault::Kill(whom, stage),
            4 => Fault::QuickRestart(whom),
            5 | 6 => Fault::Pause(whom, stage),
            7 => Fault::RollingRestart,
            8 | 9 => Fault::OneWay(whom, *dice.pick(&[Way::Mute, Way::Deaf])),
            10 => Fault::ShortCut(whom),
            11 => Fault::LongCut(whom),
            12 | 13 => Fault::LostReplies(whom),
            14 => Fault::LostRows(whom),
            15 => Fault::SlowLink(whom),
            16 if pixels == Pixels::S3 => Fault::Bridge(whom),
            16 | 17 => Fault::NoCatalog,
            18 if dice.index(2) == 0 => Fault::EnsembleLeader,
            18 => Fault::NoQuorum(dice.millis(1_000, 5_000).as_millis() as u64),
            _ => Fault::SplitViews,
        }
    }
}

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

/// Gives each pod its own ZooKeeper server, and pauses one of them for longer than the session timeout.
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
