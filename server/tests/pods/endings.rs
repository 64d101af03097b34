//! The end of a job: its row is switched, then its driver deletes what is left of it.

use std::time::Duration;

use server::coord::{Error, paths};
use shared::job::{Job, Progress};
use testkit::eventually;
use testkit::images::rgba_png;
use testkit::store_faults::{Act, Fault, Rule};
use testkit::wait::PATIENCE;

use super::array;

/// Longer than the master's interval between reconciliations.
const SLOW_LISTING: Duration = Duration::from_secs(8);

/// Between the switch of a row and the deletion of its znodes, the run looks like a leftover to a reconciliation. Marking it
/// finished then would cost two more writes and make the driver's deletion fail.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_its_driver_is_ending_is_not_a_leftover() {
    let array = array(Duration::from_secs(5)).await;
    array.start(&["pod-1", "pod-2"]);
    array.faults.play(Rule::on(Act::List, Fault::Slow(SLOW_LISTING)));
    let original = rgba_png(500, 600);
    let accepted = array.upload("a.png", &original).await;
    array.is_exact(&accepted, &original).await;

    let (session, path) = (array.session().await, paths::job(&accepted.job_id));
    let began = std::time::Instant::now();
    eventually("the job's znodes to go", PATIENCE, async || match session.get(&path).await {
        Ok((data, _)) => {
            let job: Job = serde_json::from_slice(&data).unwrap();
            assert_eq!(job.progress, Progress::Active, "a reconciliation has marked it finished");
            Err(job.progress)
        }
        Err(Error::NoNode(_)) => Ok(()),
        Err(error) => panic!("{error}"),
    })
    .await;
    assert!(began.elapsed() > SLOW_LISTING / 2, "the listing was to be slow: {:?}", began.elapsed());
    session.close().await;
    array.stop_all().await;
}
