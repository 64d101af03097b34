//! Reduce: sum the partial histograms and make the look-up table of them. The master's own work, as it is short;
//! integers add up to the same sum in any order.

use shared::equalize::{Histogram, Lut};
use shared::job::{Job, Pointer};

use super::stage::{Failure, Workshop};

/// Writes the look-up table of the whole image.
pub async fn reduce(shop: &Workshop, job: &Job, histograms: &[Pointer], key: String) -> Result<Pointer, Failure> {
    let mut sum = Histogram::new(&job.recipe, job.info.layout, job.info.depth);
    for pointer in histograms {
        let bytes = shop.fetch(pointer).await?;
        let memory = 2 * bytes.len() as u64;
        let added = shop.pixels.run(memory, move || {
            let part = Histogram::from_bytes(&bytes).map_err(|error| error.to_string())?;
            sum.merge(&part).map_err(|error| error.to_string())?;
            Ok::<_, String>(sum)
        });
        sum = added.await?.map_err(|error| Failure::Trouble(format!("the histogram {}: {error}", pointer.key)))?;
    }
    shop.put(key, Lut::from_histogram(&sum).to_bytes()).await
}
