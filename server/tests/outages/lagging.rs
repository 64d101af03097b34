//! A load balancer in front of PostgreSQL that lets an asynchronous standby answer reads.

use std::time::Duration;

use futures::StreamExt;
use shared::equalize::Recipe;
use shared::job::JobState;
use shared::route;
use testkit::balancer::Balancer;
use testkit::images::{oracle, sample};
use testkit::{Ensemble, ok_if, within};

use crate::Services;

/// Lag of the standby. A job of a small image takes less.
const LAG: Duration = Duration::from_millis(400);
const JOBS: usize = 40;

#[tokio::test(flavor = "multi_thread")]
async fn no_result_is_deleted_when_a_lagging_standby_answers_reads() {
    let mut services = Services::new(Ensemble::shared().connect_string_with_new_chroot()).await;
    // Create the schema before the standby answers anything.
    drop(server::catalog::open(&services.deployment.catalog).await.unwrap());
    let standby = services.postgres.standby(LAG);
    standby.caught_up(&services.postgres).await;
    let balancer = Balancer::start(services.postgres.socket(), standby.socket()).await;
    let database = services.deployment.catalog.split('?').next().unwrap().rsplit('/').next().unwrap().to_owned();
    let direct = std::mem::replace(
        &mut services.deployment.catalog,
        format!("postgres://postgres@{}/{database}?sslmode=disable", balancer.address()),
    );
    let servers = services.two().await;
    let (luma, original) = (Recipe::default(), sample("cell.png"));
    let expected = oracle(&original, &luma);
    let upload = async |number: usize| {
        let client = &servers[number % 2].client;
        client.upload(&format!("{number}.png"), original.clone(), &luma).await.unwrap()
    };
    let taken: Vec<_> = futures::stream::iter(0..JOBS).map(upload).buffer_unordered(8).collect().await;
    let mut lost = Vec::new();
    for accepted in &taken {
        let image = servers[0].client.ended(&accepted.image_id).await;
        assert_eq!(image.state, JobState::Done, "{}: {:?}", image.name, image.reason);
        // Every pod sees that it has ended once the standby has applied it.
        let result = route::result(&accepted.image_id);
        let exact = async || ok_if(servers[1].client.get_ok(&result).await.as_ref() == Some(&expected), ());
        if within(10 * LAG, exact).await.is_err() {
            lost.push(image.name.clone());
        }
    }
    let runs = sqlx::query_scalar::<_, i64>("SELECT max(runs) FROM jobs");
    let mut database = <sqlx::PgConnection as sqlx::Connection>::connect(&direct).await.unwrap();
    let runs = runs.fetch_one(&mut database).await.unwrap();
    println!(
        "{} of {JOBS} results lost, {runs} runs at most, {} reads by the standby",
        lost.len(),
        balancer.balanced()
    );
    assert!(lost.is_empty(), "{} of {JOBS} results are gone: {lost:?}", lost.len());
    assert_eq!(runs, 1, "a run was given up because a read lacked it");
}
