//! Named schedules: one precise fault each, at exactly the decisive operation.

use std::sync::Arc;
use std::time::Duration;

use server::catalog::Write;
use server::coord::embedded::journal::{Became, Change};
use server::coord::paths;
use testkit::{Dice, elapse};
use tokio::time::Instant;

use crate::faults::{Operation, Play, Port};
use crate::history::Fact;
use crate::run::in_paused_time;
use crate::settings::{LEASE, Settings};
use crate::stage::{Stage, commits};
use crate::world::World;

/// Returns whether the operation is the one that completes a stage.
fn decides(stage: &str, operation: &Operation) -> bool {
    let commit = |phase: &str| {
        operation.port == Port::Coordinator
            && operation.what.contains(&format!("/{phase}/"))
            && operation.what.contains("/done ")
    };
    match stage {
        "upload" => operation.name == "finish_upload",
        "split" => commit("split"),
        "map" => commit("histograms"),
        // The reduce stores the job's LUT.
        "reduce" => operation.name == "put" && operation.what.contains("/reduce/"),
        "apply" => commit("equalize"),
        "stitch" => commit("stitch"),
        "publish" => operation.name == "publish",
        other => panic!("no stage {other}"),
    }
}

async fn the_master_dies_at(stage: &'static str, moment: Play) {
    let mut array = Stage::of(3).await;
    let master = array.master();
    let world = Arc::downgrade(&array.world);
    let before = moment == Play::CrashBefore;
    array.world.faults.trap(
        move |_, operation| decides(stage, operation),
        move |life| {
            let world = world.upgrade()?;
            let master = world.leading()?;
            if master.label() == life.label() {
                return Some(moment);
            }
            if before {
                master.crash();
            } else {
                tokio::spawn(async move {
                    elapse(Duration::from_millis(1)).await;
                    master.crash();
                });
            }
            None
        },
    );
    // A PNG goes through every stage; the TIFF has several tasks per phase.
    array.upload(2, &master).await;
    array.upload(4, &master).await;
    let totals = array.ends_well().await;
    assert!(totals.epochs >= 2, "{stage}: nobody succeeded the master");
}

macro_rules! the_master_dies {
    ($($name:ident: $stage:literal,)*) => {$(
        #[test]
        fn $name() {
            for moment in [Play::CrashBefore, Play::CrashAfter] {
                in_paused_time(stringify!($name), the_master_dies_at($stage, moment));
            }
        }
    )*};
}

the_master_dies! {
    the_master_may_die_before_and_after_an_upload_is_accepted: "upload",
    the_master_may_die_before_and_after_a_split_is_committed: "split",
    the_master_may_die_before_and_after_a_histogram_is_committed: "map",
    the_master_may_die_before_and_after_the_table_is_written: "reduce",
    the_master_may_die_before_and_after_parts_are_committed: "apply",
    the_master_may_die_before_and_after_a_stitch_is_committed: "stitch",
    the_master_may_die_before_and_after_it_publishes: "publish",
}

#[test]
fn a_paused_master_that_wakes_to_publish_is_refused_by_the_catalog() {
    in_paused_time("a_paused_master_that_wakes_to_publish_is_refused_by_the_catalog", async {
        let mut array = Stage::of(3).await;
        let master = array.master();
        array.world.faults.trap(|_, operation| operation.name == "publish", |_| Some(Play::PauseBefore(LEASE * 5)));
        array.upload(4, &master).await;
        let history = Arc::clone(&array.world.history);
        array.until("the thaw", || history.lines().iter().any(|line| line.what == "goes on")).await;
        array.until("the refusal", || history.facts().iter().any(|fact| matches!(fact, Fact::NotMine { .. }))).await;
        array.ends_well().await;
        let facts = history.facts();
        let refused = facts.iter().find_map(|fact| match fact {
            Fact::Fenced { name: "publish", applied: false, candidacy, .. } => Some(candidacy.clone()),
            _ => None,
        });
        let refused = refused.unwrap_or_else(|| panic!("no publication was refused: {facts:?}"));
        assert!(facts.contains(&Fact::NotMine { candidacy: refused }), "{facts:?}");
    });
}

#[test]
fn a_master_that_does_not_know_that_it_was_deposed_is_refused_by_the_coordinator() {
    in_paused_time("a_master_that_does_not_know_that_it_was_deposed_is_refused_by_the_coordinator", async {
        let mut array = Stage::of(3).await;
        let master = array.master();
        let world = Arc::downgrade(&array.world);
        array.world.faults.trap(
            |_, operation| {
                operation.name == "multi"
                    && operation.what.contains("?/cluster/leader")
                    && operation.what.contains("/equalize/")
            },
            move |_| {
                let world = world.upgrade()?;
                tokio::spawn(async move { world.evict_leader().await });
                Some(Play::Stall(Duration::from_secs(1)))
            },
        );
        array.upload(4, &master).await;
        // The stalled write arrives after a second.
        array.until("the refusal", || array.world.history.refused_writes() > 0).await;
        let totals = array.ends_well().await;
        assert_eq!(totals.refused_coordinator, 1, "{}", array.told());
    });
}

#[test]
fn two_masters_that_both_believe_to_lead_publish_one_result() {
    in_paused_time("two_masters_that_both_believe_to_lead_publish_one_result", async {
        // Hints are delayed by seconds, so that the evicted master continues for a while.
        let mut settings = Settings::calm(3);
        settings.hint_delays = 1_000;
        let mut array = Stage::with(settings).await;
        for round in 0..4 {
            let master = array.master();
            let world = Arc::downgrade(&array.world);
            array.world.faults.trap(
                |_, operation| operation.what.contains("/done "),
                move |_| {
                    let world = world.upgrade()?;
                    tokio::spawn(async move { world.evict_leader().await });
                    None
                },
            );
            array.upload([4, 2, 0, 3][round], &master).await;
            array.until("the eviction", || array.world.faults.traps_left() == 0).await;
            // The evicted master continues until its hints arrive.
            elapse(Duration::from_secs(4)).await;
        }
        let totals = array.ends_well().await;
        assert!(totals.refused_coordinator + totals.refused_catalog > 0, "nobody wrote who led no more");
    });
}

#[test]
fn a_half_created_phase_is_resumed_with_another_number_of_workers() {
    in_paused_time("a_half_created_phase_is_resumed_with_another_number_of_workers", async {
        let mut settings = Settings::calm(3);
        settings.parts_per_task = None;
        let mut array = Stage::with(settings).await;
        let master = array.master();
        let world = Arc::downgrade(&array.world);
        array.world.faults.trap(
            |_, operation| {
                operation.what.starts_with("?/cluster/leader")
                    && operation.what.contains("+/jobs/")
                    && operation.what.contains("/equalize/task_2")
            },
            move |life| {
                let world = world.upgrade()?;
                let other =
                    world.pods().iter().filter_map(|pod| world.life(pod)).find(|other| other.label() != life.label());
                tokio::spawn(async move {
                    // Simulates a phase of more than 200 tasks, which takes more than one multi.
                    let viewer = world.viewer().await;
                    let job = world.active().await.remove(0);
                    let task = paths::task(&job.parse().unwrap(), shared::job::Phase::Equalize, 2);
                    while viewer.delete(&task, None).await.is_err() {
                        tokio::task::yield_now().await;
                    }
                    other.inspect(|other| other.crash());
                });
                Some(Play::CrashAfter)
            },
        );
        array.upload(0, &master).await;
        array.ends_well().await;
        let journal = array.world.embedded.journal();
        let created = |change: &&Change| {
            change.path.ends_with("/equalize/task_2") && matches!(change.became, Became::Created { .. })
        };
        assert_eq!(journal.iter().flat_map(|transaction| &transaction.changes).filter(created).count(), 2);
    });
}

#[test]
fn a_retry_goes_its_way_while_a_worker_of_the_old_run_still_writes() {
    in_paused_time("a_retry_goes_its_way_while_a_worker_of_the_old_run_still_writes", async {
        let mut array = Stage::of(3).await;
        let master = array.master();
        array.world.faults.trap(
            move |life, operation| {
                life.label() != master.label() && operation.name == "put" && operation.what.contains("/equalize/")
            },
            |_| Some(Play::PauseBefore(LEASE * 8)),
        );
        let master = array.master();
        let accepted = array.upload(0, &master).await;
        array.until("the pause", || array.world.faults.traps_left() == 0).await;
        array.world.rows("UPDATE jobs SET state = 'failed', finished = 1, reason = 'by the test' WHERE state = 'running' RETURNING id").await;
        assert_eq!(array.world.shelf.catalog().retry(&accepted.job_id).await.unwrap(), Write::Applied);
        let history = Arc::clone(&array.world.history);
        array.until("the thaw", || history.lines().iter().any(|line| line.what == "goes on")).await;
        array.ends_well().await;
        let lines = history.lines();
        let published = lines.iter().position(|line| line.what.starts_with("publish")).unwrap();
        let thawed = lines.iter().position(|line| line.what == "goes on").unwrap();
        assert!(published < thawed, "the old run's worker woke before the new run was done");
    });
}

#[test]
fn a_claim_whose_reply_is_lost_is_found_again_and_not_claimed_twice() {
    in_paused_time("a_claim_whose_reply_is_lost_is_found_again_and_not_claimed_twice", async {
        let mut array = Stage::of(3).await;
        let master = array.master();
        array.world.faults.trap(
            |_, operation| operation.name == "multi" && operation.what.contains("/stitch/task_0/lock ="),
            |_| Some(Play::LoseReply),
        );
        array.upload(4, &master).await;
        array.ends_well().await;
        assert_eq!(commits(&array.world, "/stitch/task_0").iter().map(|done| done.attempt).collect::<Vec<_>>(), [1]);
    });
}

#[test]
fn a_worker_that_finishes_after_it_lost_its_lock_does_not_count() {
    in_paused_time("a_worker_that_finishes_after_it_lost_its_lock_does_not_count", async {
        let mut array = Stage::of(3).await;
        let master = array.master();
        array.world.faults.trap(
            |_, operation| operation.name == "multi" && operation.what.contains("/stitch/task_0/done"),
            |_| Some(Play::PauseBefore(LEASE * 4)),
        );
        array.upload(4, &master).await;
        array.ends_well().await;
        assert_eq!(commits(&array.world, "/stitch/task_0").iter().map(|done| done.attempt).collect::<Vec<_>>(), [2]);
    });
}

#[test]
fn an_epoch_that_was_taken_late_by_one_who_leads_no_more_is_taken_again() {
    in_paused_time("an_epoch_that_was_taken_late_by_one_who_leads_no_more_is_taken_again", async {
        let world = World::new(Settings::calm(3), Dice::new(1)).await;
        world.faults.trap(
            |_, operation| operation.name == "take_epoch",
            |life| {
                life.pause(LEASE * 6);
                Some(Play::Late(LEASE * 3))
            },
        );
        world.start_all();
        let mut array = Stage { world, tickets: Vec::new() };
        // The successor leads once the first winner's session has expired; then the first winner's epoch arrives.
        elapse(LEASE * 4).await;
        let life = array.lives().remove(0);
        array.upload(4, &life).await;
        let totals = array.ends_well().await;
        assert!(totals.epochs >= 3, "it is not taken again: {}", totals.line());
    });
}

#[test]
fn a_session_that_expires_while_its_worker_works_costs_an_attempt_and_nothing_else() {
    in_paused_time("a_session_that_expires_while_its_worker_works_costs_an_attempt_and_nothing_else", async {
        let mut array = Stage::of(2).await;
        let master = array.master();
        for phase in ["/split/", "/histograms/", "/equalize/", "/stitch/"] {
            array.world.faults.trap(
                move |_, operation| operation.name == "put" && operation.what.contains(phase),
                |_| Some(Play::Expire),
            );
        }
        array.upload(2, &master).await;
        array.ends_well().await;
        assert_eq!(commits(&array.world, "/split/task_0").iter().map(|done| done.attempt).collect::<Vec<_>>(), [2]);
    });
}

#[test]
fn after_a_disconnect_shorter_than_the_timeout_nothing_is_missed() {
    in_paused_time("after_a_disconnect_shorter_than_the_timeout_nothing_is_missed", async {
        let mut array = Stage::of(3).await;
        let lives = array.lives();
        let master = array.master();
        array.upload(0, &master).await;
        for _ in 0..6 {
            lives.iter().for_each(|life| life.disconnect(LEASE / 2));
            elapse(LEASE * 3 / 4).await;
        }
        array.upload(2, &master).await;
        let begun = Instant::now();
        let totals = array.ends_well().await;
        // Rescans come every 30 s: a pod that had lost its watches would wait for one.
        assert!(begun.elapsed() < Duration::from_secs(10), "it took {:?}", begun.elapsed());
        assert_eq!(totals.epochs, 1, "nobody lost a session");
    });
}

/// Regression test for seed 7: the master's loop spun on a ring that it couldn't answer before its mirror was loaded.
#[test]
fn a_master_whose_picture_is_not_there_yet_waits_for_it_and_does_not_spin() {
    in_paused_time("a_master_whose_picture_is_not_there_yet_waits_for_it_and_does_not_spin", async {
        let world = World::new(Settings::calm(1), Dice::new(1)).await;
        // The mirror restarts 50 ms later; meanwhile the candidacy continues.
        world.faults.trap(|_, operation| operation.name == "watch" && operation.what == "/", |_| Some(Play::Fail));
        world.start_all();
        let mut array = Stage { world, tickets: Vec::new() };
        array.until("a life", || !array.lives().is_empty()).await;
        let life = array.lives().remove(0);
        array.upload(4, &life).await;
        array.ends_well().await;
    });
}
