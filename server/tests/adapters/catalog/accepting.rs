//! Operations of any pod: take uploads, add jobs, retry and delete.

use std::time::Duration;

use server::catalog::{Answer, Begun, Error, Part, Resumed, Unsent, UnsentLimits, Write};
use shared::equalize::Recipe;
use shared::gallery::ImageQuery;
use shared::id::{ImageId, JobId};
use shared::job::JobState;

use super::fixture::*;

pub async fn an_upload_is_queued_once_it_is_finished(tested: TestCatalog) {
    let catalog = tested.catalog.as_ref();
    let new = upload("coffee.png", None);
    let accepted = accept_as(catalog, &new, info(600, 400)).await;
    assert_eq!((&accepted.image, &accepted.job), (&new.image, &new.job));

    let image = catalog.image(&accepted.image).await.unwrap().unwrap();
    assert_eq!(
        (image.state, image.job_id.clone(), image.name.as_str()),
        (JobState::Queued, accepted.job.clone(), "coffee.png")
    );
    assert_eq!((image.width, image.height, image.bytes), (600, 400, 1_234));
    assert_eq!((image.jobs.len(), image.reason, image.finished, image.progress), (1, None, None, None));

    let job = catalog.job(&accepted.job).await.unwrap().unwrap();
    assert_eq!((job.image_id, job.state, job.created), (accepted.image.clone(), JobState::Queued, image.created));

    let queued = catalog.queued(10, 0, u64::MAX).await.unwrap();
    assert_eq!(queued.len(), 1);
    assert_eq!((queued[0].job.clone(), queued[0].run.clone(), queued[0].runs), (accepted.job, None, 0));
    assert_eq!(
        (queued[0].original.clone(), queued[0].original_bytes),
        (server::store::keys::original(&new.image, &new.upload), 1_234)
    );
    assert_eq!(queued[0].info, info(600, 400));
}

pub async fn an_upload_that_is_not_finished_is_not_seen(tested: TestCatalog) {
    let catalog = tested.catalog.as_ref();
    let new = upload("a.png", None);
    catalog.begin_upload(&new).await.unwrap();
    assert_eq!(catalog.image(&new.image).await.unwrap(), None);
    assert_eq!(catalog.job(&new.job).await.unwrap(), None);
    assert_eq!(catalog.files(&new.image, None).await.unwrap(), None);
    assert!(catalog.images(&ImageQuery::default()).await.unwrap().items.is_empty());
    assert!(catalog.queued(10, 0, u64::MAX).await.unwrap().is_empty());
    assert_eq!(catalog.backlog().await.unwrap().queued, 0);
    assert_eq!(catalog.add_job(&new.image, &id(), &Recipe::default(), None).await.unwrap(), None);
    assert_eq!(catalog.delete_image(&new.image).await.unwrap(), Write::NoChange);
}

pub async fn a_retry_with_the_key_takes_over_and_the_first_attempt_no_longer_counts(tested: TestCatalog) {
    let catalog = tested.catalog.as_ref();
    let first = upload("first.png", Some("key"));
    let mut second = upload("second.png", Some("key"));
    second.recipe = channels();
    catalog.begin_upload(&first).await.unwrap();
    let begun = catalog.begin_upload(&second).await.unwrap();
    assert_eq!(begun, Begun::Receiving { image: first.image.clone(), job: first.job.clone() });

    assert_eq!(catalog.touch_upload(&first.upload).await.unwrap(), Write::NoChange);
    assert_eq!(catalog.touch_upload(&second.upload).await.unwrap(), Write::Applied);
    let late = received(&first.image, &first.upload, info(1, 1));
    assert_eq!(catalog.finish_upload(&first.upload, &late).await.unwrap(), Write::NoChange);
    let good = received(&first.image, &second.upload, info(2, 2));
    assert_eq!(catalog.finish_upload(&second.upload, &good).await.unwrap(), Write::Applied);

    let image = catalog.image(&first.image).await.unwrap().unwrap();
    assert_eq!((image.name.as_str(), image.width, image.recipe), ("second.png", 2, channels()));
    assert_eq!(catalog.files(&first.image, None).await.unwrap().unwrap().original, good.key);
}

pub async fn an_accepted_key_answers_the_same_ids_and_what_was_accepted(tested: TestCatalog) {
    let catalog = tested.catalog.as_ref();
    let mut first = upload("a.png", Some("key"));
    first.recipe = channels();
    let accepted = accept_as(catalog, &first, info(1, 1)).await;
    let later = catalog.add_job(&accepted.image, &id(), &Recipe::default(), None).await.unwrap();
    assert!(later.is_some());

    assert_eq!(catalog.answered("key of nobody").await.unwrap(), None);
    let answer =
        Answer { image: accepted.image.clone(), job: accepted.job, sha256: "ab".repeat(32), recipe: channels() };
    let expected = Begun::Accepted(answer.clone());
    assert_eq!(catalog.begin_upload(&upload("b.png", Some("key"))).await.unwrap(), expected);
    assert_eq!(catalog.answered("key").await.unwrap(), Some(answer));
    catalog.delete_image(&accepted.image).await.unwrap();
    assert_eq!(catalog.begin_upload(&upload("b.png", Some("key"))).await.unwrap(), expected);

    let epoch = epoch(catalog).await;
    assert_eq!(catalog.forget(&epoch, &accepted.image).await.unwrap(), Write::Applied);
    let anew = upload("c.png", Some("key"));
    let begun = catalog.begin_upload(&anew).await.unwrap();
    assert_eq!(begun, Begun::Receiving { image: anew.image, job: anew.job });
}

pub async fn a_finish_whose_reply_was_lost_may_be_repeated(tested: TestCatalog) {
    let catalog = tested.catalog.as_ref();
    let new = upload("a.png", None);
    let accepted = accept_as(catalog, &new, info(1, 1)).await;
    let again = received(&accepted.image, &new.upload, info(1, 1));
    assert_eq!(catalog.finish_upload(&new.upload, &again).await.unwrap(), Write::Applied);
    assert_eq!(catalog.image(&accepted.image).await.unwrap().unwrap().jobs.len(), 1);
    assert_eq!(catalog.finish_upload(&id(), &again).await.unwrap(), Write::NoChange);
}

pub async fn a_begin_whose_reply_was_lost_may_be_repeated(tested: TestCatalog) {
    let catalog = tested.catalog.as_ref();
    for key in [None, Some("key")] {
        let new = upload("a.png", key);
        let expected = Begun::Receiving { image: new.image.clone(), job: new.job.clone() };
        assert_eq!(catalog.begin_upload(&new).await.unwrap(), expected);
        assert_eq!(catalog.begin_upload(&new).await.unwrap(), expected);
        let received = received(&new.image, &new.upload, info(1, 1));
        assert_eq!(catalog.finish_upload(&new.upload, &received).await.unwrap(), Write::Applied);
        assert!(
            matches!(catalog.begin_upload(&new).await.unwrap(), Begun::Accepted(answer) if answer.image == new.image)
        );
    }
    let error = catalog.begin_upload(&upload("a.png", Some(&"k".repeat(256)))).await.unwrap_err();
    assert!(matches!(error, Error::Invalid(_)));
}

pub async fn twenty_uploads_at_once_with_one_key_are_one_image(tested: TestCatalog) {
    let processes = [tested.catalog.clone(), tested.another_process().await];
    let attempts = (0..20).map(|n| {
        let (catalog, new) = (processes[n % 2].clone(), upload("a.png", Some("one key")));
        tokio::spawn(async move { (catalog.begin_upload(&new).await.unwrap(), new.upload) })
    });
    let begun: Vec<_> = futures::future::join_all(attempts).await.into_iter().map(Result::unwrap).collect();
    let Begun::Receiving { image, .. } = begun[0].0.clone() else { panic!("nobody finished") };
    assert!(begun.iter().all(|(each, _)| *each == begun[0].0));

    let mut winners = 0;
    for (_, upload) in &begun {
        let write = tested.catalog.finish_upload(upload, &received(&image, upload, info(1, 1))).await.unwrap();
        winners += usize::from(write == Write::Applied);
    }
    assert_eq!(winners, 1);
    assert_eq!(tested.catalog.images(&ImageQuery::default()).await.unwrap().items.len(), 1);
}

pub async fn an_image_has_many_jobs_and_shows_the_latest(tested: TestCatalog) {
    let catalog = tested.catalog.as_ref();
    let accepted = accept(catalog, "a.png").await;
    let epoch = epoch(catalog).await;
    publish(catalog, &epoch, &accepted.job).await;
    let second: JobId = id();
    assert_eq!(catalog.add_job(&accepted.image, &second, &channels(), None).await.unwrap(), Some(second.clone()));

    let image = catalog.image(&accepted.image).await.unwrap().unwrap();
    assert_eq!(
        (image.job_id, image.state, image.recipe, image.finished),
        (second.clone(), JobState::Queued, channels(), None)
    );
    let jobs: Vec<(JobId, JobState)> = image.jobs.iter().map(|job| (job.id.clone(), job.state)).collect();
    assert_eq!(jobs, [(second, JobState::Queued), (accepted.job, JobState::Done)]);
    assert_eq!((image.jobs[0].result_bytes, image.jobs[1].result_bytes), (None, Some(99)));

    assert_eq!(catalog.add_job(&id::<ImageId>(), &id(), &channels(), None).await.unwrap(), None);
}

pub async fn a_repeated_job_with_its_key_is_one_job(tested: TestCatalog) {
    let catalog = tested.catalog.as_ref();
    let (one, other) = (accept(catalog, "a.png").await, accept(catalog, "b.png").await);
    let job: JobId = id();
    for again in [job.clone(), id(), job.clone()] {
        assert_eq!(catalog.add_job(&one.image, &again, &channels(), Some("key")).await.unwrap(), Some(job.clone()));
    }
    let elsewhere: JobId = id();
    assert_eq!(
        catalog.add_job(&other.image, &elsewhere, &channels(), Some("key")).await.unwrap(),
        Some(elsewhere.clone())
    );
    assert_eq!(catalog.add_job(&other.image, &elsewhere, &channels(), None).await.unwrap(), Some(elsewhere));
    assert_eq!(catalog.jobs_of(&one.image).await.unwrap().len(), 2);
    assert_eq!(catalog.jobs_of(&other.image).await.unwrap().len(), 2);
}

pub async fn retry_queues_a_failed_job_with_its_runs_counted_from_zero(tested: TestCatalog) {
    let catalog = tested.catalog.as_ref();
    let accepted = accept(catalog, "a.png").await;
    assert_eq!(catalog.retry(&accepted.job).await.unwrap(), Write::NoChange);
    let epoch = epoch(catalog).await;
    let first = activate(catalog, &epoch, &accepted.job).await;
    let second = id();
    assert_eq!(catalog.rerun(&epoch, &accepted.job, &first, &second, true).await.unwrap(), Write::Applied);
    assert_eq!(catalog.running().await.unwrap()[0].runs, 2);
    assert_eq!(catalog.retry(&accepted.job).await.unwrap(), Write::NoChange);
    assert_eq!(catalog.fail(&epoch, &accepted.job, &second, "It is torn.", None).await.unwrap(), Write::Applied);
    let image = catalog.image(&accepted.image).await.unwrap().unwrap();
    assert_eq!((image.state, image.reason.as_deref()), (JobState::Failed, Some("It is torn.")));
    assert!(image.finished.unwrap() >= image.created);

    assert_eq!(catalog.retry(&accepted.job).await.unwrap(), Write::Applied);
    let queued = catalog.queued(1, 0, u64::MAX).await.unwrap();
    assert_eq!((queued[0].runs, queued[0].run.clone()), (0, None));
    let image = catalog.image(&accepted.image).await.unwrap().unwrap();
    assert_eq!((image.state, image.reason, image.finished), (JobState::Queued, None, None));
}

pub async fn a_deleted_image_is_gone_at_once_and_its_queued_jobs_never_run(tested: TestCatalog) {
    let catalog = tested.catalog.as_ref();
    let accepted = accept(catalog, "a.png").await;
    assert_eq!(catalog.delete_image(&accepted.image).await.unwrap(), Write::Applied);
    assert_eq!(catalog.delete_image(&accepted.image).await.unwrap(), Write::NoChange);

    assert_eq!(catalog.image(&accepted.image).await.unwrap(), None);
    assert_eq!(catalog.job(&accepted.job).await.unwrap(), None);
    assert_eq!(catalog.files(&accepted.image, None).await.unwrap(), None);
    assert!(catalog.images(&ImageQuery::default()).await.unwrap().items.is_empty());
    assert!(catalog.queued(10, 0, u64::MAX).await.unwrap().is_empty());
    assert_eq!(catalog.backlog().await.unwrap().queued, 0);
    assert_eq!(catalog.add_job(&accepted.image, &id(), &Recipe::default(), Some("k")).await.unwrap(), None);
    assert_eq!(catalog.add_job(&accepted.image, &accepted.job, &Recipe::default(), None).await.unwrap(), None);

    let epoch = epoch(catalog).await;
    assert_eq!(catalog.activate(&epoch, &accepted.job, &id()).await.unwrap(), Write::NoChange);
    assert_eq!(catalog.deleting(10).await.unwrap(), std::slice::from_ref(&accepted.image));
    assert_eq!(catalog.jobs_of(&accepted.image).await.unwrap(), [accepted.job]);
    assert_eq!(catalog.forget(&epoch, &accepted.image).await.unwrap(), Write::Applied);
    assert_eq!(catalog.forget(&epoch, &accepted.image).await.unwrap(), Write::NoChange);
    assert!(catalog.deleting(10).await.unwrap().is_empty());
    assert!(catalog.jobs_of(&accepted.image).await.unwrap().is_empty());
}

pub async fn names_of_any_script_and_length_are_kept(tested: TestCatalog) {
    let catalog = tested.catalog.as_ref();
    for name in ["日本語 '%_!\\ \"; DROP TABLE images;--.png", "Ärger.TIF", "", "a\nb\tc", "👩‍👩‍👧.jpg"]
    {
        let accepted = accept(catalog, name).await;
        assert_eq!(catalog.image(&accepted.image).await.unwrap().unwrap().name, name);
        assert_eq!(catalog.files(&accepted.image, None).await.unwrap().unwrap().name, name);
    }
    let accepted = accept(catalog, &"İ\0".repeat(5_000)).await;
    assert_eq!(catalog.image(&accepted.image).await.unwrap().unwrap().name.chars().count(), 255);
}

pub async fn files_are_those_of_the_asked_job_or_of_the_latest_finished_one(tested: TestCatalog) {
    let catalog = tested.catalog.as_ref();
    let (accepted, other) = (accept(catalog, "a.png").await, accept(catalog, "b.png").await);
    let files = catalog.files(&accepted.image, None).await.unwrap().unwrap();
    assert_eq!((files.original_bytes, files.original_sha256.len(), files.result), (1_234, 64, None));
    assert_eq!(files.info, info(640, 480));

    let epoch = epoch(catalog).await;
    let [second, third, fourth] = [id::<JobId>(), id(), id()];
    for job in [&second, &third, &fourth] {
        catalog.add_job(&accepted.image, job, &channels(), None).await.unwrap();
    }
    publish(catalog, &epoch, &second).await;
    // It finishes later, however old it is.
    wait_for_the_clock(catalog, &second).await;
    publish(catalog, &epoch, &accepted.job).await;
    fail(catalog, &epoch, &third, "No.").await;

    let of = async |job: Option<&JobId>| catalog.files(&accepted.image, job).await.unwrap().unwrap().result;
    assert_eq!(of(None).await, Some(result(&accepted.job)));
    assert_eq!(of(Some(&second)).await, Some(result(&second)));
    for without in [&third, &fourth, &other.job, &id()] {
        assert_eq!(of(Some(without)).await, None);
    }
}

/// Waits until the database's clock has passed the time at which the job ended.
async fn wait_for_the_clock(catalog: &dyn server::catalog::Catalog, job: &JobId) {
    let ended = catalog.job(job).await.unwrap().unwrap().finished.unwrap();
    loop {
        let probe = accept(catalog, "probe").await;
        if catalog.job(&probe.job).await.unwrap().unwrap().created > ended {
            return;
        }
    }
}

pub async fn a_deletion_can_be_undone_and_the_image_is_as_it_was(tested: TestCatalog) {
    let catalog = tested.catalog.as_ref();
    let (one, other) = (accept(catalog, "one.png").await, accept(catalog, "other.png").await);
    catalog.keep_thumbhash(&one.image, "1QcSHQRnh493V4dIh4eXh1h4kJUI").await.unwrap();
    let before = catalog.image(&one.image).await.unwrap();
    assert_eq!(before.as_ref().unwrap().thumbhash.as_deref(), Some("1QcSHQRnh493V4dIh4eXh1h4kJUI"));
    let both = [one.image.clone(), other.image.clone()];
    assert_eq!(catalog.restore(&both).await.unwrap(), [], "nothing was deleted");

    assert_eq!(catalog.trash(&[]).await.unwrap(), []);
    assert_eq!(catalog.trash(&[one.image.clone(), id()]).await.unwrap(), std::slice::from_ref(&one.image));
    assert_eq!(catalog.trash(std::slice::from_ref(&one.image)).await.unwrap(), [], "it is gone already");
    assert!(catalog.image(&one.image).await.unwrap().is_none());
    assert!(catalog.files(&one.image, None).await.unwrap().is_none());
    assert_eq!(catalog.images(&Default::default()).await.unwrap().items.len(), 1);
    assert_eq!(catalog.backlog().await.unwrap().queued, 1, "its job waits for the deletion to be undone");
    assert!(catalog.queued(10, 0, u64::MAX).await.unwrap().iter().all(|row| row.job != one.job));
    assert_eq!(catalog.deleting(10).await.unwrap(), [], "nothing is deleted for good");

    assert_eq!(catalog.restore(&both).await.unwrap(), std::slice::from_ref(&one.image));
    assert_eq!(catalog.image(&one.image).await.unwrap(), before);
    assert!(catalog.queued(10, 0, u64::MAX).await.unwrap().iter().any(|row| row.job == one.job));

    // A permanent deletion can't be undone.
    catalog.trash(&both).await.unwrap();
    assert_eq!(catalog.delete_image(&one.image).await.unwrap(), Write::Applied);
    assert_eq!(catalog.restore(&both).await.unwrap(), [other.image]);
    assert_eq!(catalog.deleting(10).await.unwrap(), [one.image]);
}

/// Limits: four uploads and 10,000 bytes, of which one client may have three and 7,500.
fn limits(client: &str) -> UnsentLimits {
    let most = Unsent { uploads: 4, bytes: 10_000, uploads_of_client: 3, bytes_of_client: 7_500 };
    UnsentLimits { client: Some(client.to_owned()), most }
}

pub async fn what_is_announced_counts_until_it_comes_or_is_given_up(tested: TestCatalog) {
    let catalog = tested.catalog.as_ref();
    let begin = async |client: &str, length: u64| {
        let new = upload("a.png", None);
        match catalog.begin_resumable(&new, length, &limits(client)).await.unwrap() {
            Resumed::Receiving(upload) => Ok((upload, new.image)),
            Resumed::NoRoom(unsent) => Err(unsent),
            Resumed::Accepted(..) => panic!("accepted"),
        }
    };
    let full = |uploads, bytes, uploads_of_client, bytes_of_client| {
        Err(Unsent { uploads, bytes, uploads_of_client, bytes_of_client })
    };
    let (first, image) = begin("a", 7_000).await.unwrap();
    assert_eq!(begin("a", 501).await, full(1, 7_000, 1, 7_000), "the client's share of bytes");
    let (second, _) = begin("b", 3_000).await.unwrap();
    assert_eq!(begin("b", 1).await, full(2, 10_000, 1, 3_000), "all bytes");
    // Plain uploads are neither counted nor blocked.
    catalog.begin_upload(&upload("plain.png", None)).await.unwrap();

    let part = Part { start: 0, bytes: 6_990, key: "key".to_owned() };
    assert_eq!(catalog.add_part(&first, &part).await.unwrap(), Write::Applied);
    begin("a", 10).await.unwrap();
    begin("a", 10).await.unwrap();
    assert_eq!(begin("a", 1).await, full(4, 3_030, 3, 30), "the client's share of uploads");
    assert_eq!(begin("c", 1).await, full(4, 3_030, 0, 0), "all uploads");
    assert_eq!(catalog.end_resumable(&second).await.unwrap(), Write::Applied);
    begin("c", 1).await.unwrap();
    let received = received(&image, &first, info(1, 1));
    assert_eq!(catalog.finish_upload(&first, &received).await.unwrap(), Write::Applied);
    begin("a", 1).await.unwrap();
}

pub async fn a_resumable_upload_that_sent_nothing_is_abandoned_as_any_other(tested: TestCatalog) {
    let catalog = tested.catalog.as_ref();
    let (silent, begun) = (upload("silent.png", None), upload("begun.png", None));
    for new in [&silent, &begun] {
        let resumed = catalog.begin_resumable(new, 100, &UnsentLimits::none()).await.unwrap();
        assert_eq!(resumed, Resumed::Receiving(new.upload.clone()));
    }
    let part = Part { start: 0, bytes: 1, key: "key".to_owned() };
    catalog.add_part(&begun.upload, &part).await.unwrap();
    let epoch = epoch(catalog).await;
    let abandoned = catalog.abandon(&epoch, Duration::ZERO).await.unwrap().unwrap();
    assert_eq!(abandoned.iter().map(|left| &left.upload).collect::<Vec<_>>(), [&silent.upload]);
}
