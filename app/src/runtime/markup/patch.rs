//! DOM side of the virtual DOM in the browser: creates elements, and patches them to match a new tree.

use leptos::prelude::*;
use leptos::tachys::hydration::Cursor;
use leptos::tachys::view::{Mountable, Position, PositionState};
use wasm_bindgen::JsCast;

use super::follow::{self, Listener};
use super::{Element, Markup, Words};

const SVG: &str = "http://www.w3.org/2000/svg";

/// The `div`, and its current content if known.
pub struct State {
    root: web_sys::Element,
    content: Option<Vec<Markup>>,
    _listener: Listener,
}

impl State {
    fn new(root: web_sys::Element, content: Option<Vec<Markup>>) -> Self {
        let _listener = follow::listen(&root);
        Self { root, content, _listener }
    }
}

pub fn build(class: &'static str, content: Option<Vec<Markup>>) -> State {
    let root = document().create_element("div").expect("a div can be made");
    let _ = root.set_attribute("class", class);
    let mut state = State::new(root, Some(Vec::new()));
    rebuild(content, &mut state);
    state
}

pub fn rebuild(content: Option<Vec<Markup>>, state: &mut State) {
    let Some(content) = content else { return };
    let before = state.content.take().unwrap_or_else(|| read(&state.root));
    patch_all(&state.root, &before, &content);
    follow::keep(&state.root);
    state.content = Some(content);
}

/// Takes over the server's HTML, and shows newer content immediately if there is any.
pub fn hydrate(content: Option<Vec<Markup>>, cursor: &Cursor, position: &PositionState) -> State {
    match position.get() {
        Position::FirstChild => cursor.child(),
        Position::Current => {}
        _ => cursor.sibling(),
    }
    let root: web_sys::Element = cursor.current().dyn_into().expect("the server wrote a div here");
    cursor.set(root.clone().into());
    position.set(Position::NextChild);
    let mut state = State::new(root, None);
    rebuild(content, &mut state);
    state
}

impl Mountable for State {
    fn unmount(&mut self) {
        self.root.remove();
    }

    fn mount(&mut self, parent: &web_sys::Element, marker: Option<&web_sys::Node>) {
        let _ = parent.insert_before(&self.root, marker);
        follow::keep(&self.root);
    }

    fn insert_before_this(&self, child: &mut dyn Mountable) -> bool {
        let Some(parent) = self.root.parent_element() else { return false };
        child.mount(&parent, Some(&self.root));
        true
    }

    fn elements(&self) -> Vec<web_sys::Element> {
        vec![self.root.clone()]
    }
}

/// Reads an element's children from the DOM.
fn read(parent: &web_sys::Element) -> Vec<Markup> {
    let mut children = Vec::new();
    let mut next = parent.first_child();
    while let Some(node) = next {
        next = node.next_sibling();
        match node.dyn_ref::<web_sys::Element>() {
            Some(element) => children.push(Markup::Element(read_element(element))),
            None => children.push(Markup::Text(node.text_content().unwrap_or_default().into())),
        }
    }
    children
}

fn read_element(element: &web_sys::Element) -> Element {
    let names = element.get_attribute_names();
    let attributes = names.iter().filter_map(|attribute| {
        let attribute = attribute.as_string()?;
        let value = element.get_attribute(&attribute)?;
        Some((attribute.into(), value.into()))
    });
    Element {
        tag: element.local_name().into(),
        key: Words::Borrowed(""),
        attributes: attributes.collect(),
        children: read(element),
    }
}

fn create(parent: &web_sys::Element, markup: &Markup) -> web_sys::Node {
    match markup {
        Markup::Text(text) => document().create_text_node(text).into(),
        Markup::Element(element) => create_element(parent, element).into(),
    }
}

fn create_element(parent: &web_sys::Element, element: &Element) -> web_sys::Element {
    let graphic = element.tag == "svg" || parent.namespace_uri().as_deref() == Some(SVG);
    let namespace = graphic.then_some(SVG).or(Some("http://www.w3.org/1999/xhtml"));
    let node =
        document().create_element_ns(namespace, &element.tag).expect("tags of the program are names of elements");
    for (name, value) in &element.attributes {
        let _ = node.set_attribute(name, value);
    }
    for child in &element.children {
        let _ = node.append_child(&create(&node, child));
    }
    node
}

/// Patches a node from its old to its new state, or replaces it.
fn patch(parent: &web_sys::Element, node: &web_sys::Node, old: &Markup, new: &Markup) {
    match (old, new) {
        _ if old == new => {}
        (Markup::Text(_), Markup::Text(text)) => node.set_text_content(Some(text)),
        (Markup::Element(before), Markup::Element(after)) if before.tag == after.tag => {
            let element: &web_sys::Element = node.unchecked_ref();
            patch_attributes(element, before, after);
            patch_all(element, &before.children, &after.children);
        }
        _ => drop(parent.replace_child(&create(parent, new), node)),
    }
}

fn patch_attributes(node: &web_sys::Element, old: &Element, new: &Element) {
    for (name, value) in &new.attributes {
        if !old.attributes.iter().any(|(other, before)| other == name && before == value) {
            let _ = node.set_attribute(name, value);
        }
    }
    for (name, _) in &old.attributes {
        if !new.attributes.iter().any(|(other, _)| other == name) {
            let _ = node.remove_attribute(name);
        }
    }
}

fn key(markup: &Markup) -> &str {
    match markup {
        Markup::Element(element) => &element.key,
        Markup::Text(_) => "",
    }
}

/// Patches an element's children. Children without keys are matched by position.
fn patch_all(parent: &web_sys::Element, old: &[Markup], new: &[Markup]) {
    if old == new {
        return;
    }
    let nodes: Vec<web_sys::Node> = {
        let list = parent.child_nodes();
        (0..list.length()).filter_map(|index| list.item(index)).collect()
    };
    let old: Vec<(&Markup, &web_sys::Node)> = old.iter().zip(&nodes).collect();
    let mut of_key: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
    for (index, (markup, _)) in old.iter().enumerate().filter(|(_, (markup, _))| !key(markup).is_empty()) {
        of_key.insert(key(markup), index);
    }
    // Trees read from the DOM have no keys; they are matched by position with what the server rendered.
    let match_of = |index: usize, markup: &Markup| {
        let at_its_place = || old.get(index).filter(|(before, _)| key(before).is_empty()).map(|_| index);
        of_key.get(key(markup)).copied().or_else(at_its_place)
    };
    let mut stays = vec![false; nodes.len()];
    let mut take = |index: usize| (!std::mem::replace(&mut stays[index], true)).then_some(index);
    let matches: Vec<Option<usize>> =
        new.iter().enumerate().map(|(index, markup)| match_of(index, markup).and_then(&mut take)).collect();
    for (node, _) in nodes.iter().zip(&stays).filter(|(_, stays)| !**stays) {
        let _ = parent.remove_child(node);
    }
    let mut at = parent.first_child();
    for (markup, matched) in new.iter().zip(matches) {
        let Some((before, node)) = matched.map(|index| old[index]) else {
            let _ = parent.insert_before(&create(parent, markup), at.as_ref());
            continue;
        };
        if at.as_ref() == Some(node) {
            at = node.next_sibling();
        } else {
            let _ = parent.insert_before(node, at.as_ref());
        }
        patch(parent, node, before, markup);
    }
}
