//! Parts of pages as data: a tree of elements that a function makes of what is known.
//!
//! The server writes the tree as HTML; the browser compares it with the one before and changes what differs. Where a whole
//! page follows one value, as the cluster page does, this is less code than signals for each of its words, and less module:
//! one comparison for all of them instead of one type each. A function that returns a tree can be tested without a browser.
//!
//! Nothing here is interactive by itself: forms work without scripts, and whoever shows a tree may listen around it.

use std::borrow::Cow;
use std::fmt::Write;

use leptos::prelude::*;
use leptos::tachys::html::attribute::Attribute;
use leptos::tachys::html::attribute::any_attribute::AnyAttribute;
use leptos::tachys::hydration::Cursor;
use leptos::tachys::view::{Position, PositionState};

#[cfg(feature = "hydrate")]
#[path = "markup/follow.rs"]
mod follow;
#[cfg(feature = "hydrate")]
#[path = "markup/patch.rs"]
mod side;
#[cfg(not(feature = "hydrate"))]
#[path = "markup/server.rs"]
mod side;

/// A text, most of which are in the program.
pub type Words = Cow<'static, str>;

/// A text or an element.
#[derive(Debug, Clone, PartialEq)]
pub enum Markup {
    /// A text, never empty, and never beside another one: a browser that reads the HTML would join them.
    Text(Words),
    /// An element.
    Element(Element),
}

/// An element with its attributes and what is in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Element {
    tag: Words,
    /// Tells it from its neighbours, so that it is moved and not rewritten when they change; empty where its place tells.
    key: Words,
    attributes: Vec<(Words, Words)>,
    children: Vec<Markup>,
}

/// An element without anything.
pub fn el(tag: &'static str) -> Element {
    Element { tag: Words::Borrowed(tag), key: Words::Borrowed(""), attributes: Vec::new(), children: Vec::new() }
}

/// An element of a class.
pub fn of(tag: &'static str, class: &'static str) -> Element {
    el(tag).attr("class", class)
}

impl Element {
    /// With an attribute.
    #[must_use]
    pub fn attr(self, name: &'static str, value: impl Into<Words>) -> Self {
        self.set(name, value.into())
    }

    /// With the name by which browser tests find it.
    #[must_use]
    pub fn test(self, name: &'static str) -> Self {
        self.set("data-testid", Words::Borrowed(name))
    }

    /// With a key that no neighbour has.
    #[must_use]
    pub fn key(mut self, key: impl Into<Words>) -> Self {
        self.key = key.into();
        self
    }

    /// With a text at the end.
    #[must_use]
    pub fn text(self, text: impl Into<Words>) -> Self {
        self.write(text.into())
    }

    /// With an element at the end.
    #[must_use]
    pub fn add(mut self, child: Element) -> Self {
        self.children.push(Markup::Element(child));
        self
    }

    /// With elements at the end.
    #[must_use]
    pub fn all(mut self, children: impl IntoIterator<Item = Element>) -> Self {
        self.children.extend(children.into_iter().map(Markup::Element));
        self
    }

    fn set(mut self, name: &'static str, value: Words) -> Self {
        self.attributes.push((Words::Borrowed(name), value));
        self
    }

    fn write(mut self, text: Words) -> Self {
        if text.is_empty() {
            return self;
        }
        if let Some(Markup::Text(before)) = self.children.last_mut() {
            before.to_mut().push_str(&text);
        } else {
            self.children.push(Markup::Text(text));
        }
        self
    }

    /// As HTML.
    #[cfg(test)]
    pub fn to_html(&self) -> String {
        let mut html = String::new();
        write_element(self, &mut html);
        html
    }
}

/// Elements that have no end.
const VOID: [&str; 4] = ["br", "hr", "img", "input"];

fn write_element(element: &Element, html: &mut String) {
    html.push('<');
    html.push_str(&element.tag);
    for (name, value) in &element.attributes {
        let _ = write!(html, " {name}=\"");
        escape(value, html);
        html.push('"');
    }
    html.push('>');
    if !VOID.contains(&&*element.tag) {
        write_all(&element.children, html);
        let _ = write!(html, "</{}>", element.tag);
    }
}

fn write_all(children: &[Markup], html: &mut String) {
    for child in children {
        match child {
            Markup::Text(text) => escape(text, html),
            Markup::Element(element) => write_element(element, html),
        }
    }
}

fn escape(text: &str, html: &mut String) {
    for character in text.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            // A NUL would be dropped and a CR be made a newline by whoever reads the HTML: the trees would differ.
            '\0' | '\r' => html.push('\u{fffd}'),
            other => html.push(other),
        }
    }
}

/// A tree as a view: a `div` of a class whose content follows.
pub struct Shown {
    class: &'static str,
    content: Option<Vec<Markup>>,
}

impl Shown {
    /// These elements.
    pub fn new(class: &'static str, content: impl IntoIterator<Item = Element>) -> Self {
        Self { class, content: Some(content.into_iter().map(Markup::Element).collect()) }
    }

    /// Whatever is there stays: in the browser until more is known than the server wrote.
    pub fn kept(class: &'static str) -> Self {
        Self { class, content: None }
    }

    /// The content as HTML.
    fn html(&self) -> String {
        let mut html = String::new();
        let _ = write!(html, "<div class=\"{}\">", self.class);
        write_all(self.content.as_deref().unwrap_or_default(), &mut html);
        html.push_str("</div>");
        html
    }
}

impl Render for Shown {
    type State = side::State;

    fn build(self) -> Self::State {
        side::build(self.class, self.content)
    }

    fn rebuild(self, state: &mut Self::State) {
        side::rebuild(self.content, state);
    }
}

impl AddAnyAttr for Shown {
    type Output<A: Attribute> = Self;

    fn add_any_attr<A: Attribute>(self, _attribute: A) -> Self::Output<A>
    where
        Self::Output<A>: RenderHtml,
    {
        self
    }
}

impl RenderHtml for Shown {
    type AsyncOutput = Self;
    type Owned = Self;

    const MIN_LENGTH: usize = 0;

    fn dry_resolve(&mut self) {}

    async fn resolve(self) -> Self::AsyncOutput {
        self
    }

    fn to_html_with_buf(
        self,
        buf: &mut String,
        position: &mut Position,
        _escape: bool,
        _mark_branches: bool,
        _extra_attrs: Vec<AnyAttribute>,
    ) {
        buf.push_str(&self.html());
        *position = Position::NextChild;
    }

    fn hydrate<const FROM_SERVER: bool>(self, cursor: &Cursor, position: &PositionState) -> Self::State {
        side::hydrate(self.content, cursor, position)
    }

    fn into_owned(self) -> Self::Owned {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_a_text_or_an_attribute_stays_a_text() {
        let element = of("p", "a").attr("title", "\"><script>").text("<b>&").text("\0");
        assert_eq!(element.to_html(), "<p class=\"a\" title=\"&quot;&gt;&lt;script&gt;\">&lt;b&gt;&amp;\u{fffd}</p>");
    }

    #[test]
    fn texts_side_by_side_are_one_as_a_browser_would_read_them() {
        let joined = el("p").text("a").text("").text("b").add(el("br")).text("c");
        assert_eq!(joined, el("p").text("ab").add(el("br")).text("c"));
        assert_eq!(joined.to_html(), "<p>ab<br>c</p>");
    }
}
