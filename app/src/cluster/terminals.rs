//! Logs of all pods, as small terminals.

use shared::cluster::PodView;
use shared::log::LogKind;
use shared::route;

use super::panel::moment;
use super::picture::{Picture, Said};
use crate::live::LogLine;
use crate::runtime::markup::{Element, el, of};

/// Renders a terminal for each pod; the master's is taller.
pub fn all(picture: &Picture<'_>, said: &Said<'_>) -> Vec<Element> {
    picture.view.pods.iter().map(|pod| terminal(picture, said, pod)).collect()
}

fn terminal(picture: &Picture<'_>, said: &Said<'_>, pod: &PodView) -> Element {
    let nothing = Vec::new();
    let lines = said.logs.get(&pod.pod).unwrap_or(&nothing);
    let wanted =
        |line: &&LogLine| line.kind == LogKind::Note || (line.level >= said.least && contains(&line.text, said.search));
    let shown: Vec<Element> = lines.iter().filter(wanted).map(|one| line(picture, one)).collect();
    let id = format!("log-of-{}", pod.pod);
    let head = of("h3", "terminal-head")
        .attr("id", id.clone())
        .text(pod.pod.to_string())
        .text(" ")
        .add(of("a", "muted").attr("href", route::logs(&pod.pod)).attr("rel", "external").text("as text"));
    let empty = match (lines.is_empty(), shown.is_empty()) {
        (true, _) => Some("No lines yet."),
        (false, true) => Some("No matching lines."),
        _ => None,
    };
    let lines = of("ol", "log-lines mono").key("lines").attr("tabindex", "0").attr("aria-labelledby", id).all(shown);
    let lines = lines.attr("data-follow", if said.paused { "off" } else { "on" });
    let to_end = of("button", "to-end").key("to-end").attr("type", "button").test("log-end").text("Latest lines ↓");
    of("section", "terminal")
        .key(pod.pod.to_string())
        .test("pod-log")
        .attr("data-pod", pod.pod.to_string())
        .attr("data-leads", pod.leads.to_string())
        .add(head)
        .all(empty.map(|sentence| of("p", "quiet-note").key("empty").text(sentence)))
        .add(lines)
        .add(to_end)
}

/// Whether `text` contains `search`, ignoring the case of ASCII letters.
fn contains(text: &str, search: &str) -> bool {
    let (text, search) = (text.as_bytes(), search.as_bytes());
    search.is_empty() || text.windows(search.len()).any(|part| part.eq_ignore_ascii_case(search))
}

fn line(picture: &Picture<'_>, line: &LogLine) -> Element {
    let entry = el("li")
        .key(format!("{}.{}.{}", line.id.0, line.id.1, line.kind.name()))
        .test("log-line")
        .attr("data-kind", line.kind.name())
        .attr("data-level", line.level.name());
    match line.kind {
        LogKind::Note => entry.text(line.text.clone()),
        LogKind::Line => entry.add(moment(line.at, picture.zone)).text(" ").text(line.text.clone()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::spans::tests::picture;
    use super::*;
    use crate::live::Level;

    #[test]
    fn markup_in_a_line_of_a_log_is_a_text() {
        let view = super::super::why::tests::view();
        let text = "WARN \"><img src=x onerror=alert(1)></li><script>alert(2)</script>".to_owned();
        for kind in [LogKind::Line, LogKind::Note] {
            let said = LogLine { id: (1, 0), kind, level: Level::Warn, at: 5, text: text.clone() };
            let html = line(&picture(&view, &[], 1_000), &said).to_html();
            assert!(html.contains("&lt;img src=x onerror=alert(1)&gt;&lt;/li&gt;&lt;script&gt;"), "{html}");
            assert!(!html.contains("<img") && !html.contains("<script"), "{html}");
        }
    }
}
