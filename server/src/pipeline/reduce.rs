//! Reduce: sum what was counted and make the look-up table of it. The master's own work, as it is short; integers add
//! up to the same sum in any order.

use shared::equalize::{Counts, Frame, Histogram, Table};
use shared::job::{Job, Pointer};

use super::stage::{Failure, Workshop, counts_bytes};

/// Writes the look-up table of the whole image. `reference` is the histogram that it shall have, where there is one.
pub async fn reduce(
    shop: &Workshop,
    job: &Job,
    histograms: &[Pointer],
    reference: Option<&Pointer>,
    key: String,
) -> Result<Pointer, Failure> {
    let frame = Frame::of(&job.info);
    let wrong = |error: &dyn std::fmt::Display| Failure::Trouble(format!("no table can be made: {error}"));
    let mut sum = Counts::new(&job.recipe, &frame).map_err(|error| wrong(&error))?;
    for pointer in histograms {
        let (bytes, recipe) = (shop.fetch(pointer).await?, job.recipe.clone());
        let memory = 2 * (bytes.len() as u64 + counts_bytes(job));
        let added = shop.pixels.run(memory, move || {
            let part = Counts::from_bytes(&recipe, &frame, &bytes).map_err(|error| error.to_string())?;
            sum.merge(&part).map_err(|error| error.to_string())?;
            Ok::<_, String>(sum)
        });
        sum = added.await?.map_err(|error| Failure::Trouble(format!("the histogram {}: {error}", pointer.key)))?;
    }
    let reference = match reference {
        None => None,
        Some(pointer) => {
            let histogram = Histogram::from_bytes(&shop.fetch(pointer).await?);
            Some(histogram.map_err(|error| Failure::Trouble(format!("the histogram {}: {error}", pointer.key)))?)
        }
    };
    let recipe = job.recipe.clone();
    let table = shop.pixels.run(2 * counts_bytes(job), move || {
        Table::new(&recipe, &sum, reference.as_ref()).map(|table| table.to_bytes())
    });
    shop.put(key, table.await?.map_err(|error| wrong(&error))?).await
}
