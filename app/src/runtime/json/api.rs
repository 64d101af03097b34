//! Readers for API responses, given by the names of their fields. The tests compare them with what the server writes.

use shared::cluster::JobProgress;
use shared::distribution::Distribution;
use shared::equalize::{Color, MethodKind, Recipe, Wire};
use shared::error::Problem;
use shared::gallery::{Accepted, Chosen, Image, JobSummary, Neighbours, Page, Section, Sections};
use shared::job::{Format, JobState, Keeping};
use shared::pyramid::{DeepZoom, Pyramid};
use shared::timeline::{Span, Timeline};

use crate::runtime::json::{Json, Read, records, texts};

texts!(JobState, Format);

records! {
    Accepted { image_id, job_id, state }
    Chosen { images }
    Neighbours { previous, next }
    Page { items, next }
    Sections { total, sections }
    Section { key, count, shapes }
    JobSummary { id, image_id, recipe, state, reason, created, finished, result_bytes, progress }
    Keeping { kept, changed }
    Wire { method, color, clip_limit, tiles, reference, low, high, black, white, gamma, strength, nodata, range, mask, to, depth }
    Distribution { planes }
    Pyramid { width, height, orientation, media_type, distribution }
    DeepZoom { pyramid, reason }
    Span { pod, phase, index, attempt, started, finished, bytes }
    Timeline { begun, spans, notes }
}

impl Read for MethodKind {
    fn read(json: &Json) -> Option<Self> {
        crate::api::method_of(json.text()?)
    }
}

impl Read for Color {
    fn read(json: &Json) -> Option<Self> {
        let Some(name) = json.text() else { return Some(Color::default()) };
        Color::ALL.into_iter().find(|color| color.name() == name)
    }
}

impl Read for Recipe {
    fn read(json: &Json) -> Option<Self> {
        Wire::read(json)?.try_into().ok()
    }
}

impl Read for Image {
    fn read(json: &Json) -> Option<Self> {
        Some(Self {
            id: Read::read(json.field("id"))?,
            job_id: Read::read(json.field("job_id"))?,
            name: Read::read(json.field("name"))?,
            state: Read::read(json.field("state"))?,
            reason: Read::read(json.field("reason"))?,
            width: Read::read(json.field("width"))?,
            height: Read::read(json.field("height"))?,
            orientation: Read::read(json.field("orientation"))?,
            channels: Read::read(json.field("channels"))?,
            inks: Option::read(json.field("inks"))?.unwrap_or(false),
            depth: Read::read(json.field("depth"))?,
            format: Read::read(json.field("format"))?,
            // Omitted if it is 1.
            pages: Option::read(json.field("pages"))?.unwrap_or(1),
            keeping: Read::read(json.field("keeping"))?,
            bytes: Read::read(json.field("bytes"))?,
            recipe: Read::read(json.field("recipe"))?,
            jobs: Read::read(json.field("jobs"))?,
            created: Read::read(json.field("created"))?,
            finished: Read::read(json.field("finished"))?,
            progress: Option::<JobProgress>::read(json.field("progress"))?,
            thumbhash: Read::read(json.field("thumbhash"))?,
        })
    }
}

impl Read for Problem {
    fn read(json: &Json) -> Option<Self> {
        let kind: Option<String> = Read::read(json.field("type"))?;
        Some(Self {
            kind: kind.unwrap_or_else(|| "about:blank".to_owned()),
            title: Read::read(json.field("title"))?,
            status: Read::read(json.field("status"))?,
            detail: Read::read(json.field("detail"))?,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::runtime::json::Json;

    /// Asserts that a text is read as serde reads it.
    fn alike<T: Read + PartialEq + std::fmt::Debug + serde::de::DeserializeOwned>(text: &str) {
        let expected: T = serde_json::from_str(text).unwrap();
        assert_eq!(T::read(&Json::parse(text).unwrap()), Some(expected), "{text}");
    }

    const A: &str = "01a20785e1e473bd9a92fd6276871e36";

    #[test]
    fn every_recipe_is_read_as_the_server_writes_it() {
        for recipe in [
            r#"{"method":"global","color":"hsv"}"#.to_owned(),
            r#"{"method":"global"}"#.to_owned(),
            r#"{"method":"global","to":"webp","depth":8}"#.to_owned(),
            r#"{"method":"clahe","color":"oklab","clip_limit":3.5,"tiles":[4,6],"strength":0.25,"nodata":-9999.5}"#
                .to_owned(),
            r#"{"method":"stretch","color":"channels","low":0.5,"high":99.25,"range":[-1.5,20.0]}"#.to_owned(),
            format!(r#"{{"method":"match","color":"gray","reference":"{A}","mask":"{A}"}}"#),
        ] {
            alike::<Recipe>(&recipe);
        }
    }

    #[test]
    fn images_and_all_that_belongs_to_them_are_read_as_the_server_writes_them() {
        let job = |state: &str, rest: &str| {
            format!(
                r#"{{"id":"{A}","image_id":"{A}","recipe":{{"method":"global","color":"luma"}},"state":"{state}","created":5{rest}}}"#
            )
        };
        let jobs = [
            job("done", r#","reason":null,"finished":9,"result_bytes":77,"progress":null"#),
            job("running", r#","progress":{"phase":"equalize","done":1,"total":4}"#),
            job("failed", r#","reason":"<b>why</b> \"so\"""#),
            job("queued", ""),
        ];
        let image = |rest: &str| {
            format!(
                r#"{{"id":"{A}","job_id":"{A}","name":"a.tif","state":"done","reason":null,"width":4000,"height":3,"orientation":6,
                "channels":4,"depth":16,"format":"tiff","bytes":9007199254740991,"recipe":{{"method":"global","color":"luma"}},
                "jobs":[{}],"created":1,"finished":null,"progress":null{rest}}}"#,
                jobs.join(",")
            )
        };
        let full = image(r#","inks":true,"pages":3,"keeping":{"kept":["EXIF"],"changed":["IPTC"]},"thumbhash":"abc=""#);
        alike::<Image>(&image(""));
        alike::<Image>(&full);
        alike::<Page>(&format!(r#"{{"items":[{full}],"next":"x"}}"#));
        alike::<Page>(r#"{"items":[],"next":null}"#);
        alike::<Sections>(
            r#"{"total":3,"sections":[{"key":null,"count":3,"shapes":"abc"},{"key":"k","count":0,"shapes":""}]}"#,
        );
        alike::<Accepted>(&format!(r#"{{"image_id":"{A}","job_id":"{A}","state":"queued"}}"#));
        alike::<Chosen>(&format!(r#"{{"images":["{A}"]}}"#));
        alike::<Neighbours>(&format!(r#"{{"previous":"{A}","next":null}}"#));
        alike::<Problem>(r#"{"title":"Gone","status":410}"#);
        alike::<Problem>(r#"{"type":"x","title":"Gone","status":410,"detail":"d"}"#);
        alike::<DeepZoom>(r#"{"pyramid":null,"reason":"none"}"#);
        alike::<DeepZoom>(
            r#"{"pyramid":{"width":1,"height":2,"orientation":1,"media_type":"image/png","distribution":{"planes":[[1,2]]}},"reason":null}"#,
        );
        alike::<Timeline>(
            r#"{"begun":1,"spans":[{"pod":"pod-1","phase":"stitch","index":1,"attempt":2,"started":3,"finished":4,"bytes":5}]}"#,
        );
        alike::<Timeline>(r#"{"begun":1,"spans":[],"notes":["Samples of 16 bits became 8 bits."]}"#);
    }
}
