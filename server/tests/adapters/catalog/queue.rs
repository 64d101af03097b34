//! The job queue: runs, their results and what they leave, fenced by the epoch.

use std::time::Duration;

use server::catalog::{FinishedTask, Needed, Write};
use shared::clock::Stamp;
use shared::id::RunId;
use shared::job::{Cut, JobState, Phase, Pointer};
use shared::task::{Done, Outcome};

use super::fixture::*;

pub async fn a_job_runs_and_is_published(tested: TestCatalog) {
    let catalog = tested.catalog.as_ref();
    let accepted = accept(catalog, "a.png").await;
    let epoch = epoch(catalog).await;
    let run = activate(catalog, &epoch, &accepted.job).await;
    assert_eq!(catalog.activate(&epoch, &accepted.job, &id()).await.unwrap(), Write::NoChange);
    assert!(catalog.queued(10, 0, u64::MAX).await.unwrap().is_empty());
    let running = catalog.running().await.unwrap();
    assert_eq!((running[0].run.clone(), running[0].runs), (Some(run.clone()), 1));
    assert_eq!(catalog.image(&accepted.image).await.unwrap().unwrap().state, JobState::Running);

    let result = result(&accepted.job);
    assert_eq!(catalog.publish(&epoch, &run, &result, None).await.unwrap(), Write::Applied);
    assert_eq!(catalog.publish(&epoch, &run, &result, None).await.unwrap(), Write::NoChange);
    assert_eq!(catalog.fail(&epoch, &accepted.job, &run, "Too late.", None).await.unwrap(), Write::NoChange);
    let image = catalog.image(&accepted.image).await.unwrap().unwrap();
    assert_eq!((image.state, image.reason, image.jobs[0].result_bytes), (JobState::Done, None, Some(99)));
    assert!(image.finished.unwrap() >= image.created);
    assert_eq!(catalog.files(&accepted.image, None).await.unwrap().unwrap().result, Some(result));
    assert!(catalog.running().await.unwrap().is_empty());
}

pub async fn a_run_that_was_replaced_can_neither_publish_nor_fail(tested: TestCatalog) {
    let catalog = tested.catalog.as_ref();
    let accepted = accept(catalog, "a.png").await;
    let epoch = epoch(catalog).await;
    let old = activate(catalog, &epoch, &accepted.job).await;
    let new = id();
    assert_eq!(catalog.rerun(&epoch, &accepted.job, &old, &new, true).await.unwrap(), Write::Applied);
    assert_eq!(catalog.rerun(&epoch, &accepted.job, &old, &id(), true).await.unwrap(), Write::NoChange);
    assert_eq!(catalog.publish(&epoch, &old, &result(&accepted.job), None).await.unwrap(), Write::NoChange);
    assert_eq!(catalog.fail(&epoch, &accepted.job, &old, "Old.", None).await.unwrap(), Write::NoChange);
    assert_eq!(catalog.running().await.unwrap()[0].run, Some(new.clone()));
    assert_eq!(catalog.publish(&epoch, &new, &result(&accepted.job), None).await.unwrap(), Write::Applied);
}

pub async fn a_deposed_master_changes_nothing(tested: TestCatalog) {
    let catalog = tested.catalog.as_ref();
    let [queued, running, deleted] =
        [accept(catalog, "q.png").await, accept(catalog, "r.png").await, accept(catalog, "d.png").await];
    let left = upload("left.png", Some("left"));
    catalog.begin_upload(&left).await.unwrap();
    catalog.delete_image(&deleted.image).await.unwrap();

    let old = epoch(catalog).await;
    let run = activate(catalog, &old, &running.job).await;
    assert_eq!(catalog.abandon(&old, Duration::ZERO).await.unwrap().unwrap().len(), 1);
    let new = tested.another_process().await;
    let successor = epoch(new.as_ref()).await;
    assert!(successor.n > old.n);
    let before = (new.image(&queued.image).await.unwrap(), new.image(&running.image).await.unwrap());

    assert_eq!(catalog.activate(&old, &queued.job, &id()).await.unwrap(), Write::NotMine);
    assert_eq!(catalog.rerun(&old, &running.job, &run, &id(), true).await.unwrap(), Write::NotMine);
    assert_eq!(catalog.publish(&old, &run, &result(&running.job), None).await.unwrap(), Write::NotMine);
    assert_eq!(catalog.fail(&old, &running.job, &run, "No.", None).await.unwrap(), Write::NotMine);
    assert_eq!(catalog.forget(&old, &deleted.image).await.unwrap(), Write::NotMine);
    assert_eq!(catalog.forget_upload(&old, &left.upload).await.unwrap(), Write::NotMine);

    assert_eq!((new.image(&queued.image).await.unwrap(), new.image(&running.image).await.unwrap()), before);
    assert_eq!(new.running().await.unwrap()[0].run, Some(run.clone()));
    assert_eq!(new.deleting(9).await.unwrap(), std::slice::from_ref(&deleted.image));
    assert_eq!(new.publish(&successor, &run, &result(&running.job), None).await.unwrap(), Write::Applied);
    assert_eq!(new.forget(&successor, &deleted.image).await.unwrap(), Write::Applied);
    assert_eq!(new.forget_upload(&successor, &left.upload).await.unwrap(), Write::Applied);
}

pub async fn the_same_candidacy_may_take_the_epoch_again(tested: TestCatalog) {
    let catalog = tested.catalog.as_ref();
    let accepted = accept(catalog, "a.png").await;
    let first = catalog.take_epoch("me").await.unwrap();
    let other = catalog.take_epoch("other").await.unwrap();
    assert_eq!(catalog.activate(&first, &accepted.job, &id()).await.unwrap(), Write::NotMine);
    let again = catalog.take_epoch("me").await.unwrap();
    assert_eq!((first.n, other.n, again.n), (1, 2, 3));
    assert_eq!(catalog.take_epoch("me").await.unwrap(), again, "it has the latest epoch already");
    assert_eq!(catalog.activate(&other, &accepted.job, &id()).await.unwrap(), Write::NotMine);
    assert_eq!(catalog.activate(&again, &accepted.job, &id()).await.unwrap(), Write::Applied);
}

pub async fn the_queue_is_in_order_of_acceptance_and_by_lane(tested: TestCatalog) {
    let catalog = tested.catalog.as_ref();
    let mut small = Vec::new();
    for n in 0..6 {
        let side = if n % 2 == 0 { 100 } else { 5_000 };
        let accepted = accept_as(catalog, &upload(&format!("{n}.png"), None), info(side, side)).await;
        if side == 100 {
            small.push(accepted.job);
        }
    }
    let lane = async |limit, min, max| -> Vec<_> {
        catalog.queued(limit, min, max).await.unwrap().into_iter().map(|row| row.job).collect()
    };
    let mut found = lane(10, 0, 16_000_000).await;
    let created = async |job| catalog.job(job).await.unwrap().unwrap().created;
    assert!(
        created(&found[0]).await <= created(&found[1]).await && created(&found[1]).await <= created(&found[2]).await
    );
    found.sort();
    small.sort();
    assert_eq!(found, small);
    assert_eq!(lane(10, 16_000_001, u64::MAX).await.len(), 3);
    assert_eq!(lane(4, 0, u64::MAX).await.len(), 4);
    assert_eq!(lane(10, 10_000, 10_000).await.len(), 3);
}

pub async fn an_image_deleted_while_it_runs_is_still_listed_as_running_until_it_is_forgotten(tested: TestCatalog) {
    let catalog = tested.catalog.as_ref();
    let accepted = accept(catalog, "a.png").await;
    let epoch = epoch(catalog).await;
    let run = activate(catalog, &epoch, &accepted.job).await;
    assert_eq!(catalog.delete_image(&accepted.image).await.unwrap(), Write::Applied);
    assert_eq!(catalog.image(&accepted.image).await.unwrap(), None);
    assert_eq!(catalog.running().await.unwrap()[0].job, accepted.job);
    assert_eq!(catalog.fail(&epoch, &accepted.job, &run, "Deleted.", None).await.unwrap(), Write::Applied);
    assert_eq!(catalog.retry(&accepted.job).await.unwrap(), Write::NoChange);
    assert!(catalog.running().await.unwrap().is_empty());
    assert_eq!(catalog.forget(&epoch, &accepted.image).await.unwrap(), Write::Applied);
}

pub async fn the_backlog_counts_what_waits_and_what_runs(tested: TestCatalog) {
    let catalog = tested.catalog.as_ref();
    catalog.ping().await.unwrap();
    assert_eq!(catalog.backlog().await.unwrap(), Default::default());
    let first = accept(catalog, "a.png").await;
    for name in ["b.png", "c.png"] {
        accept(catalog, name).await;
    }
    let backlog = catalog.backlog().await.unwrap();
    let created = catalog.job(&first.job).await.unwrap().unwrap().created;
    assert_eq!((backlog.queued, backlog.running, backlog.oldest), (3, 0, Some(created)));
    let epoch = epoch(catalog).await;
    activate(catalog, &epoch, &first.job).await;
    let backlog = catalog.backlog().await.unwrap();
    assert_eq!((backlog.queued, backlog.running), (2, 1));
}

fn finished(job: &shared::id::JobId, run: &shared::id::RunId, index: u32) -> FinishedTask {
    let pointer = Pointer {
        key: format!("{job}/{run}/split/{index}"),
        bytes: 1,
        sha256: "0".repeat(64),
        table: None,
        notes: Vec::new(),
    };
    let stamp = Stamp { clock: 1, pod: "pod-1".parse().unwrap() };
    let outcome = Outcome::Stored(pointer);
    FinishedTask {
        job: job.clone(),
        run: run.clone(),
        phase: Phase::Split,
        index,
        algo: 1,
        cut: Cut { part_rows: 1, parts: 9, parts_per_task: 3 },
        done: Done {
            v: 1,
            pod: stamp.pod.clone(),
            attempt: 1,
            outcome,
            started: 1,
            finished: 2,
            worked_ms: Some(1),
            stamp,
        },
    }
}

pub async fn runs_count_as_lost_only_if_they_were_worked_on_and_finished_nothing_more(tested: TestCatalog) {
    let catalog = tested.catalog.as_ref();
    let job = accept(catalog, "a.png").await.job;
    let epoch = epoch(catalog).await;
    let mut run = activate(catalog, &epoch, &job).await;
    let losses = async || catalog.running().await.unwrap()[0].losses;
    // The first run always counts, whether or not work on it began.
    assert_eq!(losses().await, 1);
    let again = async |run: &mut RunId| {
        let next = id();
        assert_eq!(catalog.rerun(&epoch, &job, run, &next, true).await.unwrap(), Write::Applied);
        // Its reply was lost, so it is repeated.
        assert_eq!(catalog.rerun(&epoch, &job, run, &next, true).await.unwrap(), Write::NoChange);
        *run = next;
    };
    again(&mut run).await;
    assert_eq!(losses().await, 1, "nobody has begun with the second one");
    assert_eq!(catalog.begin_attempt(&job, &id()).await.unwrap(), Write::NoChange, "another run");
    assert_eq!(catalog.begin_attempt(&job, &run).await.unwrap(), Write::Applied);
    assert_eq!(catalog.begin_attempt(&job, &run).await.unwrap(), Write::NoChange);
    assert_eq!(losses().await, 2);
    again(&mut run).await;
    catalog.begin_attempt(&job, &run).await.unwrap();
    assert_eq!(losses().await, 3);
    // An orderly stop.
    assert_eq!(catalog.hand_over(&epoch).await.unwrap(), Write::Applied);
    assert_eq!(catalog.hand_over(&epoch).await.unwrap(), Write::Applied);
    assert_eq!(losses().await, 2);
    again(&mut run).await;
    catalog.begin_attempt(&job, &run).await.unwrap();
    assert_eq!(losses().await, 3);
    // The znodes of a started run were deleted while the array was running.
    let next = id();
    assert_eq!(catalog.rerun(&epoch, &job, &run, &next, false).await.unwrap(), Write::Applied);
    assert_eq!(losses().await, 2);
    run = next;
    catalog.begin_attempt(&job, &run).await.unwrap();
    assert_eq!(losses().await, 3);
    catalog.note_finished(&[finished(&job, &run, 0)]).await.unwrap();
    assert_eq!(losses().await, 0, "it made progress");
    again(&mut run).await;
    assert_eq!(losses().await, 1, "and this one none yet");
    let other = self::epoch(catalog).await;
    assert_eq!(catalog.hand_over(&epoch).await.unwrap(), Write::NotMine);
    assert_eq!(catalog.hand_over(&other).await.unwrap(), Write::Applied);
    assert_eq!(losses().await, 0);
}

pub async fn finished_tasks_are_kept_for_the_next_run_and_no_longer(tested: TestCatalog) {
    let catalog = tested.catalog.as_ref();
    let accepted = accept(catalog, "a.png").await;
    let (job, epoch) = (&accepted.job, epoch(catalog).await);
    let run = activate(catalog, &epoch, job).await;
    let tasks: Vec<FinishedTask> = (0..60).map(|index| finished(job, &run, index)).collect();
    catalog.note_finished(&tasks).await.unwrap();
    catalog.note_finished(&tasks).await.unwrap();
    catalog.note_finished(&[finished(job, &id(), 70)]).await.unwrap();
    catalog.note_finished(&[]).await.unwrap();
    assert_eq!(catalog.finished(job).await.unwrap(), tasks, "what another run finished isn't among them");
    let next: RunId = id();
    catalog.rerun(&epoch, job, &run, &next, true).await.unwrap();
    catalog.note_finished(&[finished(job, &run, 61)]).await.unwrap();
    let again = finished(job, &next, 7);
    catalog.note_finished(std::slice::from_ref(&again)).await.unwrap();
    let kept = catalog.finished(job).await.unwrap();
    assert_eq!((kept.len(), &kept[7]), (60, &again));
    let in_use = catalog.in_use(std::slice::from_ref(&accepted.image)).await.unwrap();
    assert!(in_use.keys.contains(tasks[3].key().unwrap()) && in_use.keys.contains(again.key().unwrap()));
    assert!(!in_use.keys.contains(tasks[7].key().unwrap()), "it was done again since");
    catalog.fail(&epoch, job, &next, "Because.", None).await.unwrap();
    assert!(catalog.finished(job).await.unwrap().is_empty());
    catalog.note_finished(std::slice::from_ref(&again)).await.unwrap();
    assert!(catalog.finished(job).await.unwrap().is_empty());
}

pub async fn what_a_run_wrote_is_needed_until_a_row_says_that_the_run_ended(tested: TestCatalog) {
    let catalog = tested.catalog.as_ref();
    let accepted = accept(catalog, "a.png").await;
    let epoch = epoch(catalog).await;
    let needed = async |run| catalog.needed(&accepted.job, run).await.unwrap();
    let first = activate(catalog, &epoch, &accepted.job).await;
    assert_eq!(needed(&first).await, Needed::All);
    let second = id();
    assert_eq!(catalog.rerun(&epoch, &accepted.job, &first, &second, true).await.unwrap(), Write::Applied);
    assert_eq!((needed(&first).await, needed(&second).await), (Needed::Only(None), Needed::All));
    let result = result(&accepted.job);
    assert_eq!(catalog.publish(&epoch, &second, &result, None).await.unwrap(), Write::Applied);
    assert_eq!(needed(&second).await, Needed::Only(Some(result.key)));
    // A missing row proves nothing.
    assert_eq!(catalog.needed(&id(), &first).await.unwrap(), Needed::All);
    let failed = accept(catalog, "b.png").await;
    fail(catalog, &epoch, &failed.job, "No.").await;
    assert_eq!(catalog.needed(&failed.job, &first).await.unwrap(), Needed::Only(None));
}
