//! Gallery queries: images as the API and the pages show them.

use base::causes::chain;
use shared::equalize::{MethodKind, Recipe};
use shared::gallery::{Image, ImageQuery, JobSummary, Page, Section, Sections, Sort};
use shared::id::{ImageId, JobId};
use shared::job::{Format, ImageInfo, JobState};
use shared::pixels::Layout;

use super::cursor::{Cursor, Key};
use crate::database::{Arg, Database, Row};
use crate::error::{Invalid, Result};

/// Maximum number of images per page.
const MAX_LIMIT: u32 = 200;
const DEFAULT_LIMIT: u32 = 50;
/// Maximum length of a stored name and of a search text, in characters.
const MAX_NAME: usize = 255;

/// The name as stored: truncated, with NUL replaced, which no database can hold.
pub(super) fn kept_name(name: &str) -> String {
    name.chars().take(MAX_NAME).map(|c| if c == '\0' { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// Search and sort key of a name. Lowercased character by character, unlike [`str::to_lowercase`], so that a part of a name has
/// the same key alone as within the name (final sigma).
pub(super) fn name_key(name: &str) -> String {
    kept_name(name).chars().flat_map(char::to_lowercase).collect()
}

/// Sort order in SQL.
struct Order {
    column: &'static str,
    /// Comparison of a later row with an earlier one.
    than: &'static str,
    direction: &'static str,
}

impl Order {
    fn of(sort: Sort) -> Self {
        let (column, than, direction) = match sort {
            Sort::Newest => ("created", "<", "DESC"),
            Sort::Oldest => ("created", ">", "ASC"),
            Sort::Name => ("name_key", ">", "ASC"),
        };
        Self { column, than, direction }
    }
}

/// SQL condition, with its parameters, for the images that match a query, regardless of the page.
pub(super) fn wanted(query: &ImageQuery) -> Result<(String, Vec<Arg>)> {
    let mut args: Vec<Arg> = Vec::new();
    let mut wanted = String::from("state = 'accepted'");
    // Literals instead of parameters, so that both databases can use the index of a rare value.
    let words = [
        ("latest_state", query.state.map(JobState::name)),
        ("format", query.format.map(Format::name)),
        ("latest_method", query.method.map(MethodKind::name)),
    ];
    for (column, word) in words {
        wanted += &word.map(|word| format!(" AND {column} = '{word}'")).unwrap_or_default();
    }
    wanted += &query.depth.map(|bits| format!(" AND depth = {bits}")).unwrap_or_default();
    if let Some(part) = query.q.as_deref().filter(|part| !part.is_empty()) {
        if part.chars().count() > MAX_NAME {
            return Err(Invalid::Search(MAX_NAME).into());
        }
        let escaped = name_key(part).replace('!', "!!").replace('%', "!%").replace('_', "!_");
        args.push(format!("%{escaped}%").into());
        wanted += &format!(" AND name_key LIKE ${} ESCAPE '!'", args.len());
    }
    Ok((wanted, args))
}

/// The tile shapes of all images that match a query, read from an index alone.
pub(super) async fn sections(db: &dyn Database, query: &ImageQuery) -> Result<Sections> {
    let sort = query.sort.unwrap_or_default();
    let Order { column, direction, .. } = Order::of(sort);
    let (wanted, args) = wanted(query)?;
    let size = Sections::SIZE;
    let sql = format!(
        "SELECT n / {size} AS section, count(*) AS number, string_agg(shape, '' ORDER BY n) AS shapes,
                max(CASE WHEN n % {size} = {size} - 1 THEN id END) AS last,
                max(CASE WHEN n % {size} = {size} - 1 THEN {column} END) AS last_key
         FROM (SELECT id, {column}, shape, row_number() OVER (ORDER BY {column} {direction}, id {direction}) - 1 AS n
               FROM images WHERE {wanted}) numbered
         GROUP BY n / {size} ORDER BY n / {size}"
    );
    let (mut found, mut key) = (Sections::default(), None);
    for row in db.read(&sql, &args).await? {
        let count = row.count("number")?;
        found.total += count;
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        found.sections.push(Section { key: key.take(), count, shapes: row.get("shapes")? });
        if row.get::<Option<String>>("last")?.is_some() {
            let last = match sort {
                Sort::Newest => Key::Newest(row.get("last_key")?),
                Sort::Oldest => Key::Oldest(row.get("last_key")?),
                Sort::Name => Key::Name(row.get("last_key")?),
            };
            key = Some(Cursor { key: last, image: row.parse("last")? }.encode());
        }
    }
    Ok(found)
}

/// Returns a page of the gallery.
pub(super) async fn page(db: &dyn Database, query: &ImageQuery) -> Result<Page> {
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(Invalid::Limit { most: MAX_LIMIT, got: limit }.into());
    }
    let sort = query.sort.unwrap_or_default();
    let Order { column, than, direction } = Order::of(sort);
    let (mut wanted, mut args) = wanted(query)?;
    if let Some(cursor) = &query.cursor {
        let cursor = Cursor::decode(cursor, sort)?;
        args.extend([cursor.key.arg(), cursor.image.as_str().into()]);
        wanted += &format!(" AND ({column}, id) {than} (${}, ${})", args.len() - 1, args.len());
    }
    let order = format!("{column} {direction}, id {direction}");
    // Fetches one row more than requested, to know whether there is a next page. The inner query finds the ids in an index
    // alone, which also holds the names; only then are rows fetched.
    let page = format!(
        "SELECT * FROM images WHERE id IN (SELECT id FROM images WHERE {wanted} ORDER BY {order} LIMIT {})",
        limit + 1
    );
    let order = format!("i.{column} {direction}, i.id {direction}");
    let mut found = found(db, &page, &order, &args).await?;

    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next = found.last().filter(|_| more).map(|last| {
        let key = match sort {
            Sort::Newest => Key::Newest(last.created),
            Sort::Oldest => Key::Oldest(last.created),
            Sort::Name => Key::Name(last.name_key.clone()),
        };
        Cursor { key, image: last.id.clone() }.encode()
    });
    Ok(Page { items: found.into_iter().filter_map(|found| found.image).collect(), next })
}

/// Returns one image.
pub(super) async fn image(db: &dyn Database, image: &ImageId) -> Result<Option<Image>> {
    let one = "SELECT * FROM images WHERE id = $1 AND state = 'accepted'";
    Ok(found(db, one, "i.id", &[image.as_str().into()]).await?.pop().and_then(|found| found.image))
}

/// Returns one job.
pub(super) async fn job(db: &dyn Database, job: &JobId) -> Result<Option<JobSummary>> {
    let sql = "SELECT i.id AS image, j.id AS job, j.recipe, j.state, j.reason, j.created AS job_created, j.finished, j.result_bytes
               FROM jobs j JOIN images i ON i.id = j.image WHERE j.id = $1 AND i.state = 'accepted'";
    db.read(sql, &[job.as_str().into()]).await?.first().map(summary).transpose()
}

/// An image of a page, with its sort keys.
struct Found {
    id: ImageId,
    created: i64,
    name_key: String,
    /// `None` if nothing of it can be read: a later version wrote it (during a rolling upgrade).
    image: Option<Image>,
}

/// The selected images with all their jobs, latest first, in one statement and hence as of one moment.
async fn found(db: &dyn Database, chosen: &str, order: &str, args: &[Arg]) -> Result<Vec<Found>> {
    let sql = format!(
        "SELECT i.id AS image, i.name, i.name_key, i.info, i.bytes, i.created, i.thumbhash,
                j.id AS job, j.recipe, j.state, j.reason, j.created AS job_created, j.finished, j.result_bytes
         FROM ({chosen}) i JOIN jobs j ON j.image = i.id
         ORDER BY {order}, CASE WHEN j.id = i.latest_job THEN 0 ELSE 1 END, j.created DESC, j.id DESC"
    );
    let mut all: Vec<Found> = Vec::new();
    for row in db.read(&sql, args).await? {
        let id: ImageId = row.parse("image")?;
        if all.last().is_none_or(|last| last.id != id) {
            all.push(Found { id, created: row.get("created")?, name_key: row.get("name_key")?, image: None });
        }
        let Some(found) = all.last_mut() else { continue };
        let read = summary(&row).and_then(|job| match &mut found.image {
            Some(image) => {
                image.jobs.push(job);
                Ok(())
            }
            none => image_of(&row, job).map(|image| *none = Some(image)),
        });
        if let Err(error) = read {
            tracing::warn!(image = %found.id, error = %chain(&error), "unreadable job skipped");
        }
    }
    Ok(all)
}

fn image_of(row: &Row, latest: JobSummary) -> Result<Image> {
    let info: ImageInfo = row.json("info")?;
    let (width, height) = info.displayed();
    Ok(Image {
        id: latest.image_id.clone(),
        job_id: latest.id.clone(),
        name: row.get("name")?,
        state: latest.state,
        reason: latest.reason.clone(),
        width,
        height,
        orientation: info.orientation,
        channels: info.layout.channels() as u16,
        inks: info.layout == Layout::Cmyk,
        depth: info.bits(),
        format: info.format,
        pages: info.more.further_pages.saturating_add(1),
        keeping: info.more.keeping,
        bytes: row.count("bytes")?,
        recipe: latest.recipe.clone(),
        created: row.get("created")?,
        finished: latest.finished,
        jobs: vec![latest],
        progress: None,
        thumbhash: row.get("thumbhash")?,
    })
}

fn summary(row: &Row) -> Result<JobSummary> {
    let recipe: Recipe = row.json("recipe")?;
    Ok(JobSummary {
        id: row.parse("job")?,
        image_id: row.parse("image")?,
        recipe,
        state: row.parse("state")?,
        reason: row.get("reason")?,
        created: row.get("job_created")?,
        finished: row.get("finished")?,
        result_bytes: row.get::<Option<i64>>("result_bytes")?.map(i64::unsigned_abs),
        progress: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_name_has_the_same_key_alone_as_within_it() {
        assert!(name_key("ΟΔΟΣ 12.PNG").contains(&name_key("δοσ")));
        assert!(name_key("İstanbul").starts_with(&name_key("İ")));
        assert_eq!(name_key("GRÖẞE"), "größe");
    }

    #[test]
    fn a_name_ends_somewhere_and_holds_no_nul() {
        assert_eq!(kept_name(&"é".repeat(1_000)).chars().count(), MAX_NAME);
        assert_eq!(kept_name("a\0b"), "a\u{fffd}b");
    }
}
