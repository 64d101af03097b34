//! Event timeline, in Lamport order and in wall-clock order side by side.

use shared::event::{Event, What};

use super::panel::{moment, panel, quiet};
use super::picture::Picture;
use crate::runtime::markup::{Element, el, of};

/// Number of events shown, the latest ones.
const MAX_EVENTS_SHOWN: usize = 120;

/// Renders both orders, latest first.
pub fn both(picture: &Picture<'_>) -> Vec<Element> {
    let events = &picture.events[..picture.events.len().min(MAX_EVENTS_SHOWN)];
    let panel = panel("timeline", "Events", "");
    if events.is_empty() {
        return vec![panel.add(quiet("No events yet."))];
    }
    let mut by_wall: Vec<usize> = (0..events.len()).collect();
    by_wall.sort_by_key(|index| std::cmp::Reverse(events[*index].at));
    let moved = |place: usize| by_wall[place] != place;
    let causal = events.iter().enumerate().map(|(place, event)| lamport(event, moved(place)));
    let walls = by_wall.iter().enumerate().map(|(place, index)| wall(picture, &events[*index], moved(place)));
    let list = |name: &'static str, title: &'static str, rows: Vec<Element>| {
        of("div", "events-of")
            .add(el("h3").attr("id", name).text(title))
            .add(of("ol", "events").attr("tabindex", "0").attr("aria-labelledby", name).all(rows))
    };
    vec![
        panel
            .add(of("p", "muted").text(
                "By Lamport clock, a cause is always below its effect, even if wall clocks disagree. Events are marked where the two orders differ.",
            ))
            .add(
                of("div", "orders")
                    .add(list("by-lamport", "By Lamport clock", causal.collect()))
                    .add(list("by-wall", "By wall clock", walls.collect())),
            ),
    ]
}

fn key(event: &Event, words: &str) -> String {
    format!("{}/{}/{words}", event.stamp.clock, event.stamp.pod)
}

fn lamport(event: &Event, moved: bool) -> Element {
    let (words, tone) = describe(&event.what);
    of("li", "event")
        .key(key(event, &words))
        .test("event")
        .attr("data-tone", tone)
        .attr("data-moved", moved.to_string())
        .add(of("span", "event-clock mono").attr("title", "Lamport time").text(event.stamp.clock.to_string()))
        .text(" ")
        .add(of("span", "event-pod").text(event.stamp.pod.to_string()))
        .text(" ")
        .add(of("span", "event-words").text(words))
}

fn wall(picture: &Picture<'_>, event: &Event, moved: bool) -> Element {
    let (words, tone) = describe(&event.what);
    of("li", "event")
        .key(key(event, &words))
        .test("wall-event")
        .attr("data-tone", tone)
        .attr("data-moved", moved.to_string())
        .add(of("span", "event-wall mono muted").add(moment(event.at, picture.zone)))
        .text(" ")
        .add(of("span", "event-words").text(words))
}

/// Returns an event's text and its tone: `plain`, `good`, `warn` or `bad`.
fn describe(what: &What) -> (String, &'static str) {
    match what {
        What::PodJoined { pod } => (format!("{pod} joined"), "good"),
        What::PodLeft { pod } => (format!("{pod} is gone"), "bad"),
        What::Elected { pod, epoch } => (format!("{pod} leads, epoch {epoch}"), "good"),
        What::LeaderLost { pod } => (format!("{pod} no longer leads"), "bad"),
        What::JobStarted { job, .. } => (format!("job {} started", job.short()), "plain"),
        What::TaskClaimed { job, phase, index, pod, attempt } => {
            let again = if *attempt > 1 { format!(", attempt {attempt}") } else { String::new() };
            (format!("{pod} claimed {}/{phase}/{index}{again}", job.short()), "plain")
        }
        What::TaskFreed { job, phase, index, pod } => {
            (format!("{}/{phase}/{index} of {pod} is free again", job.short()), "warn")
        }
        What::TaskDone { job, phase, index, pod } => {
            (format!("{pod} finished {}/{phase}/{index}", job.short()), "plain")
        }
        What::JobEnded { job, .. } => (format!("job {} ended", job.short()), "good"),
        What::GalleryChanged => ("the gallery changed".to_owned(), "plain"),
        What::Connection { connected: true } => ("connected to the coordinator".to_owned(), "good"),
        What::Connection { connected: false } => ("lost the coordinator".to_owned(), "bad"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::spans::tests::{claimed, event, picture};
    use super::*;

    #[test]
    fn an_effect_whose_wall_clock_is_behind_stands_above_its_cause_and_is_marked() {
        let view = super::super::why::tests::view();
        let events = [event(3, 900, claimed(2, 1)), event(2, 100, claimed(1, 1)), event(1, 500, claimed(0, 1))];
        let html = both(&picture(&view, &events, 1_000))[0].to_html();
        let places = |id: &str| -> Vec<(String, bool)> {
            html.split("<li ")
                .filter(|row| row.contains(&format!("data-testid=\"{id}\"")))
                .map(|row| {
                    let task = row.split("equalize/").nth(1).map(|rest| rest[..1].to_owned());
                    (task.unwrap_or_default(), row.contains("data-moved=\"true\""))
                })
                .collect()
        };
        let of = |task: &str, moved| (task.to_owned(), moved);
        assert_eq!(places("event"), [of("2", false), of("1", true), of("0", true)]);
        assert_eq!(places("wall-event"), [of("2", false), of("0", true), of("1", true)]);
    }
}
