//! Cards of the pods.

use shared::cluster::{Fault, PodState, PodView};
use shared::number::Decimal;
use shared::route;

use super::panel::{facts, form, panel};
use super::picture::Picture;
use super::spans::{self, Span};
use crate::format;
use crate::runtime::markup::{Element, of};

/// Renders the cards of all pods, by name.
pub fn cards(picture: &Picture<'_>) -> Element {
    let view = picture.view;
    let spans = spans::of(picture);
    panel("pods", "Pods", format!("{} of {} up", view.live(), view.pods.len()))
        .add(of("ul", "pods").all(view.pods.iter().map(|pod| card(picture, pod, &spans))))
}

fn card(picture: &Picture<'_>, pod: &PodView, spans: &[Span]) -> Element {
    let up = pod.state == PodState::Up;
    let role = if pod.leads { "master" } else { "worker" };
    let head = of("div", "pod-head")
        .add(of("span", "pod-dot").attr("aria-hidden", "true"))
        .add(of("strong", "pod-name").attr("title", pod.pod.to_string()).text(pod.pod.to_string()))
        .add(of("span", "chip").attr("data-role", role).text(if up { role } else { "down" }));
    let state = if up { "up" } else { "down" };
    let card = of("li", "pod")
        .key(pod.pod.to_string())
        .test("pod")
        .attr("data-pod", pod.pod.to_string())
        .attr("data-state", state)
        .attr("data-leads", pod.leads.to_string())
        .attr("data-link", link(pod).0)
        .add(head)
        .add(facts("facts small", rows(picture, pod, spans)));
    if pod.faults { card.add(faults(pod)) } else { card }
}

fn rows(picture: &Picture<'_>, pod: &PodView, spans: &[Span]) -> Vec<(&'static str, String, &'static str)> {
    let up = pod.state == PodState::Up;
    let age = if up { format::span(picture.now - pod.started) } else { "—".to_owned() };
    let lease =
        if pod.lease_ms == 0 { "—".to_owned() } else { format!("{} s", Decimal(pod.lease_ms as f64 / 1_000.0)) };
    let lately = spans.iter().filter(|span| span.pod == pod.pod && span.ended.is_some()).count();
    vec![
        ("Load", format!("{} now, {lately} recently", pod.holds), ""),
        ("Connection", link(pod).1.to_owned(), ""),
        ("Session", pod.session.clone(), "mono"),
        ("Lease", lease, ""),
        ("Age", age, ""),
        ("Address", pod.address.clone(), "mono"),
        ("Version", format!("{}, {}", pod.version, threads(pod.cores)), ""),
    ]
}

/// Returns the state of a pod's connection to the coordinator: a name for styles and tests, and a text for people.
fn link(pod: &PodView) -> (&'static str, &'static str) {
    match (pod.fault, pod.state, pod.leaving) {
        (Some(Fault::Killed), ..) => ("killed", "killed; lease expiring"),
        (Some(Fault::Frozen), PodState::Up, _) => ("frozen", "frozen; lease expiring"),
        (Some(Fault::Frozen), PodState::Down, _) => ("frozen", "frozen; lease expired"),
        (Some(Fault::Disconnected), PodState::Up, _) => ("disconnected", "cut off; lease expiring"),
        (Some(Fault::Disconnected), PodState::Down, _) => ("disconnected", "cut off; lease expired"),
        (None, PodState::Up, true) => ("leaving", "stopping; finishing its tasks"),
        (None, PodState::Up, false) => ("connected", "connected"),
        (None, PodState::Down, _) => ("gone", "session ended"),
    }
}

/// Buttons that inject faults into a pod, or undo them.
fn faults(pod: &PodView) -> Element {
    let act = |verb: &'static str, label: &'static str| {
        let address = route::pod_act(&pod.pod, verb);
        let (class, test) = match verb {
            "kill" => ("button quiet danger", "kill-pod"),
            "freeze" => ("button quiet danger", "freeze-pod"),
            "disconnect" => ("button quiet danger", "disconnect-pod"),
            _ => ("button quiet", "start-pod"),
        };
        let pressed = of("button", class).test(test).attr("aria-label", format!("{label} {}", pod.pod)).text(label);
        form(address.clone(), address, pressed).key(verb)
    };
    let buttons = match pod.fault {
        None if pod.state == PodState::Down => vec![act("start", "Start")],
        None => vec![act("kill", "Kill"), act("freeze", "Freeze"), act("disconnect", "Disconnect")],
        Some(Fault::Killed) => vec![act("start", "Start")],
        Some(Fault::Frozen) => vec![act("start", "Thaw")],
        Some(Fault::Disconnected) => vec![act("start", "Reconnect")],
    };
    of("div", "pod-faults").all(buttons)
}

fn threads(number: usize) -> String {
    if number == 1 { "1 thread".to_owned() } else { format!("{number} threads") }
}
