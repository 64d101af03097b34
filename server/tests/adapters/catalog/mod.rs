//! One suite for every catalog: SQLite, and a real PostgreSQL that the tests start themselves.

mod accepting;
mod cleanup;
mod derived;
mod fixture;
mod installation;
mod listing;
mod queue;
mod races;

/// Runs each function on every kind of catalog, under its own name.
macro_rules! on_every_catalog {
    ($($module:ident::$name:ident,)*) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$module::$name(super::fixture::TestCatalog::sqlite().await).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$module::$name(super::fixture::TestCatalog::postgres().await).await;
            })*
        }
    };
}

on_every_catalog! {
    derived::a_pyramid_is_made_by_one_of_all_who_want_to,
    derived::a_claim_of_a_pyramid_that_lapsed_is_another_ones_and_three_are_the_end,
    derived::a_pyramid_that_three_tries_did_not_make_is_given_up_with_a_sentence_when_somebody_wants_to_see_it,
    derived::a_try_to_make_a_pyramid_that_is_given_back_does_not_count,
    derived::an_image_whose_jobs_failed_has_no_pyramid_until_one_is_done,
    derived::each_result_has_a_pyramid_of_its_own_and_a_deleted_image_has_none,
    derived::how_a_jobs_tasks_went_is_kept_with_its_end,
    derived::the_images_beside_one_are_the_next_newer_and_older,
    accepting::an_upload_is_queued_once_it_is_finished,
    accepting::an_upload_that_is_not_finished_is_not_seen,
    accepting::a_retry_with_the_key_takes_over_and_the_first_attempt_no_longer_counts,
    accepting::an_accepted_key_answers_the_same_ids_and_what_was_accepted,
    accepting::a_finish_whose_reply_was_lost_may_be_repeated,
    accepting::a_begin_whose_reply_was_lost_may_be_repeated,
    accepting::twenty_uploads_at_once_with_one_key_are_one_image,
    accepting::an_image_has_many_jobs_and_shows_the_latest,
    accepting::a_repeated_job_with_its_key_is_one_job,
    accepting::retry_queues_a_failed_job_with_its_runs_counted_from_zero,
    accepting::a_deleted_image_is_gone_at_once_and_its_queued_jobs_never_run,
    accepting::names_of_any_script_and_length_are_kept,
    accepting::files_are_those_of_the_asked_job_or_of_the_latest_finished_one,
    accepting::what_is_announced_counts_until_it_comes_or_is_given_up,
    accepting::a_resumable_upload_that_sent_nothing_is_abandoned_as_any_other,
    queue::a_job_runs_and_is_published,
    queue::a_run_that_was_replaced_can_neither_publish_nor_fail,
    queue::a_deposed_master_changes_nothing,
    queue::the_same_candidacy_may_take_the_epoch_again,
    queue::the_queue_is_in_order_of_acceptance_and_by_lane,
    queue::an_image_deleted_while_it_runs_is_still_listed_as_running_until_it_is_forgotten,
    cleanup::an_upload_left_alone_is_abandoned_and_a_touched_one_is_not,
    cleanup::an_abandoned_upload_can_be_taken_over_by_its_key_until_it_is_forgotten,
    cleanup::a_deposed_master_is_given_no_abandoned_uploads,
    queue::the_backlog_counts_what_waits_and_what_runs,
    installation::what_is_in_use_is_told_from_rows_alone,
    cleanup::an_abandoned_upload_is_nobodys,
    installation::orphans_wait_for_their_grace_by_the_masters_clock_and_the_first_decision_counts,
    installation::a_catalog_below_what_the_store_has_seen_is_behind,
    installation::a_coordinator_is_taken_over_only_while_nobody_beats,
    installation::a_catalog_is_itself_for_ever_and_never_another,
    queue::runs_count_as_lost_only_if_they_were_worked_on_and_finished_nothing_more,
    queue::finished_tasks_are_kept_for_the_next_run_and_no_longer,
    races::a_call_that_nobody_polls_holds_nothing_that_others_need,
    races::masters_that_take_the_epoch_at_once_get_different_turns,
    races::of_two_pods_that_finish_one_upload_one_wins,
    races::a_job_is_activated_once,
    races::finishing_and_abandoning_at_once_agree_on_one_outcome,
    races::five_processes_may_open_a_new_catalog_at_once,
    races::a_master_deposed_at_any_moment_writes_nothing_after_its_successors_turn_began,
    listing::pages_go_through_a_thousand_images_in_each_order_while_images_are_added,
    listing::images_are_found_by_any_part_of_their_name_whatever_its_case,
    listing::images_are_found_by_the_state_of_their_latest_job,
    listing::what_a_later_version_wrote_hides_nothing_else,
    listing::an_image_is_shown_as_its_header_says,
    listing::a_question_that_makes_no_sense_is_answered_with_a_sentence,
    listing::images_are_narrowed_by_format_depth_and_method_alone_and_together,
    listing::sections_place_every_image_that_the_pages_have,
    listing::the_first_page_of_a_hundred_thousand_images_comes_at_once_whatever_is_asked,
    accepting::a_deletion_can_be_undone_and_the_image_is_as_it_was,
    cleanup::what_was_deleted_long_enough_ago_is_deleted_for_good,
    cleanup::a_deposed_master_empties_no_trash,
    queue::what_a_run_wrote_is_needed_until_a_row_says_that_the_run_ended,
}

#[tokio::test]
async fn an_address_that_is_none_is_refused_with_what_it_could_be() {
    for bad in ["mysql://localhost/x", "", ":memory:", "postgres://[", "sqlite://"] {
        let error = server::catalog::open(bad).await.err().unwrap();
        let invalid = matches!(error, server::catalog::Error::Invalid(_) | server::catalog::Error::Address(_));
        assert!(invalid && error.to_string().len() > 20, "{bad:?}: {error}");
    }
}

#[tokio::test]
async fn a_catalog_outlives_its_process() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new folder").join("catalog.db");
    let image = {
        let catalog = server::catalog::open(path.to_str().unwrap()).await.unwrap();
        fixture::accept(catalog.as_ref(), "a.png").await.image
    };
    let again = server::catalog::open(&format!("sqlite://{}", path.display())).await.unwrap();
    assert_eq!(again.image(&image).await.unwrap().unwrap().name, "a.png");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let error = server::catalog::open("postgres://nobody@127.0.0.1:1/none").await.err().unwrap();
    assert!(matches!(error, server::catalog::Error::Unavailable(_)), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_catalog_whose_connections_broke_connects_again() {
    use sqlx::Connection;
    let tested = fixture::TestCatalog::postgres().await;
    let pings = || futures::future::join_all((0..8).map(|_| tested.catalog.ping()));
    assert!(pings().await.iter().all(Result::is_ok));
    let mut other = sqlx::PgConnection::connect(tested.url()).await.unwrap();
    let broken = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                  WHERE datname = current_database() AND pid <> pg_backend_pid()";
    sqlx::query(broken).execute(&mut other).await.unwrap();
    assert!(pings().await.iter().all(Result::is_ok));
}

#[tokio::test]
async fn a_read_only_server_is_not_asked_what_belongs_to_nobody() {
    let tested = fixture::TestCatalog::postgres().await;
    let image = fixture::accept(tested.catalog.as_ref(), "a.png").await.image;
    let name = tested.url().split('?').next().unwrap().rsplit('/').next().unwrap();
    tested.execute(format!("ALTER DATABASE {name} SET default_transaction_read_only = on")).await;
    let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    tested.execute(sql.to_owned()).await;
    let answer = tested.catalog.in_use(&[image]).await;
    assert!(matches!(answer, Err(server::catalog::Error::Unavailable(_))), "{answer:?}");
    assert!(tested.catalog.generation().await.is_err());
}
