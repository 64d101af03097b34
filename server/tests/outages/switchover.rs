//! PostgreSQL is switched over to a standby, or stopped for a while.

use std::time::{Duration, Instant};

use shared::equalize::Recipe;
use shared::gallery::Accepted;
use shared::job::JobState;
use testkit::images::{oracle, sample};
use testkit::proxy::{Proxy, Target};
use testkit::{Client, Ensemble, elapse, eventually};

use crate::Services;

/// Time limit from the promotion until the array works again, including 2 s for a busy machine.
const RECOVERY: Duration = Duration::from_secs(5);
/// Time limit from a stopped server's return until the array works again. The master polls once a second, and nothing else
/// waits longer.
const RETURN: Duration = Duration::from_secs(2);
/// Length of an outage during which every client and pod has tried again several times.
const OUTAGE: Duration = Duration::from_secs(20);
/// Allowance for a busy machine in measurements.
const BUSY: Duration = Duration::from_secs(2);

/// Uploads until one is accepted; returns it, and the time since `since`.
async fn first_accepted(client: &Client, since: Instant) -> (Accepted, Duration) {
    let rest = (4 * RECOVERY).saturating_sub(since.elapsed());
    let accepted = eventually("an accepted upload", rest, async || {
        let answer = client.upload("after.png", sample("cell.png"), &Recipe::default()).await;
        answer.inspect_err(|problem| assert_eq!(problem.status, 503, "{problem:?}"))
    });
    (accepted.await, since.elapsed())
}

async fn some_uploads(client: &Client) -> Vec<Accepted> {
    let mut taken = Vec::new();
    for number in 0..20 {
        taken.push(client.upload(&format!("{number}.png"), sample("cell.png"), &Recipe::default()).await.unwrap());
    }
    taken
}

async fn all_have_results(client: &Client, taken: &[Accepted]) {
    let expected = oracle(&sample("cell.png"), &Recipe::default());
    for accepted in taken {
        assert_eq!(client.ended(&accepted.image_id).await.state, JobState::Done);
        assert!(client.result(&accepted.image_id).await == expected, "{}", accepted.image_id);
    }
}

/// Makes the old primary read-only while it keeps its connections; `lead` directs clients to the new one.
async fn switches_over(mut services: Services, catalog: String, lead: impl FnOnce(&testkit::Postgres)) {
    drop(server::catalog::open(&services.deployment.catalog).await.unwrap());
    services.deployment.catalog = catalog;
    let servers = services.two().await;
    let client = &servers[0].client;
    let mut taken = some_uploads(client).await;
    let standby = services.standby.as_ref().unwrap();
    services.postgres.demote().await;
    standby.promote_after(&services.postgres).await;
    lead(standby);
    let (accepted, took) = first_accepted(client, Instant::now()).await;
    taken.push(accepted);
    println!("an upload is accepted {took:.1?} after the promotion");
    assert!(took < RECOVERY, "{took:?}");
    taken.push(servers[1].client.upload("b.png", sample("cell.png"), &Recipe::default()).await.unwrap());
    for server in &servers {
        all_have_results(&server.client, &taken).await;
    }
}

async fn with_standby() -> (Services, String) {
    let mut services = Services::new(Ensemble::shared().connect_string_with_new_chroot()).await;
    services.standby = Some(services.postgres.standby(Duration::ZERO));
    let database = services.deployment.catalog.split('?').next().unwrap().rsplit('/').next().unwrap().to_owned();
    (services, database)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_switchover_behind_one_address_costs_seconds_and_no_result() {
    let (services, database) = with_standby().await;
    let proxy = Proxy::start(vec![Target::Unix(services.postgres.socket())]).await;
    let catalog = format!("postgres://postgres@{}/{database}?sslmode=disable", proxy.address());
    switches_over(services, catalog, |standby| proxy.lead_new_to(vec![Target::Unix(standby.socket())])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_switchover_between_two_hosts_of_the_address_costs_seconds_and_no_result() {
    let (services, database) = with_standby().await;
    let hosts =
        [&services.postgres, services.standby.as_ref().unwrap()].map(|server| vec![Target::Unix(server.socket())]);
    let [first, second] = hosts.map(Proxy::start);
    let (first, second) = (first.await, second.await);
    // The standby comes first: a connecting client must go on to the primary.
    let hosts = format!("{},{}", second.address(), first.address());
    let catalog = format!("postgres://postgres@{hosts}/{database}?sslmode=disable&target_session_attrs=read-write");
    switches_over(services, catalog, |_| {}).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_catalog_that_was_stopped_works_within_two_seconds_of_its_return() {
    let mut services = Services::new(Ensemble::shared().connect_string_with_new_chroot()).await;
    let servers = services.two().await;
    let client = &servers[0].client;
    let mut taken = Vec::new();
    for number in 0..100 {
        taken.push(client.upload(&format!("{number}.png"), sample("cell.png"), &Recipe::default()).await.unwrap());
    }
    services.postgres.stop();
    elapse(OUTAGE).await;
    services.postgres.start_again();
    let back = Instant::now();
    let (accepted, took) = first_accepted(client, back).await;
    // One of the jobs in progress.
    let last = &taken.last().unwrap().image_id;
    client.until("the work to go on", |view| (view.backlog.queued < 90).then_some(())).await;
    let worked = back.elapsed();
    println!("accepted {took:.1?} and working {worked:.1?} after the return");
    assert!(took < RETURN, "{took:?}");
    assert!(worked < RETURN + BUSY, "{worked:?}");
    assert_eq!(client.ended(last).await.state, JobState::Done);
    taken.push(accepted);
    all_have_results(client, &taken).await;
}
