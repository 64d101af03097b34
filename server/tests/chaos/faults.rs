//! The faults: what can be done to which process, at which stage of an image's processing.

use shared::job::Phase;
use testkit::Dice;

use crate::array::Pixels;

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
    pub fn fits(self, path: &str) -> bool {
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
    pub fn deposes(self) -> Option<&'static str> {
        match self {
            Fault::Kill(Whom::Master, _) => Some("kill -9"),
            Fault::QuickRestart(Whom::Master) => Some("kill -9, started again at once"),
            Fault::Pause(Whom::Master, _) => Some("SIGSTOP"),
            Fault::RollingRestart => Some("SIGTERM"),
            Fault::OneWay(Whom::Master, Way::Mute) | Fault::LongCut(Whom::Master) => Some("partition"),
            // ZooKeeper still hears the master until it ends its session on its own, after 7/5 of the timeout.
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
