//! Virtual DOM: parts of pages as trees of elements, computed by pure functions of the state.
//!
//! The server renders a tree as HTML; the browser compares it with the previous tree and patches the differences. For a page
//! that follows a single value, such as the cluster page, this takes less code than a signal for each word, and a smaller
//! module: one comparison for all of them instead of a type for each. Functions that return a tree can be tested without a
//! browser.
//!
//! The trees themselves have no event handlers: forms work without scripts, and the component that shows a tree may listen on
//! an element around it.

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

/// Text; most texts are literals in the program.
pub type Words = Cow<'static, str>;

/// Text or element.
#[derive(Debug, Clone, PartialEq)]
pub enum Markup {
    /// Text: never empty, and never next to another one, since a browser that parses the HTML would join them.
    Text(Words),
    /// Element.
    Element(Element),
}

/// Element with attributes and children.
#[derive(Debug, Clone, PartialEq)]
pub struct Element {
    tag: Words,
    /// Identifies it among its siblings, so that it is moved rather than rewritten when they change; empty to match by
    /// position.
    key: Words,
    attributes: Vec<(Words, Words)>,
    children: Vec<Markup>,
}

/// Creates an empty element.
pub fn el(tag: &'static str) -> Element {
    Element { tag: Words::Borrowed(tag), key: Words::Borrowed(""), attributes: Vec::new(), children: Vec::new() }
}

/// Creates an element with a class.
pub fn of(tag: &'static str, class: &'static str) -> Element {
    el(tag).attr("class", class)
}

impl Element {
    /// Adds an attribute.
    #[must_use]
    pub fn attr(self, name: &'static str, value: impl Into<Words>) -> Self {
        self.set(name, value.into())
    }

    /// Adds the name by which browser tests find the element.
    #[must_use]
    pub fn test(self, name: &'static str) -> Self {
        self.set("data-testid", Words::Borrowed(name))
    }

    /// Sets a key that is unique among its siblings.
    #[must_use]
    pub fn key(mut self, key: impl Into<Words>) -> Self {
        self.key = key.into();
        self
    }

    /// Appends a text.
    #[must_use]
    pub fn text(self, text: impl Into<Words>) -> Self {
        self.write(text.into())
    }

    /// Appends an element.
    #[must_use]
    pub fn add(mut self, child: Element) -> Self {
        self.children.push(Markup::Element(child));
        self
    }

    /// Appends elements.
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

    /// Renders as HTML.
    #[cfg(test)]
    pub fn to_html(&self) -> String {
        let mut html = String::new();
        write_element(self, &mut html);
        html
    }
}

/// Elements without an end tag.
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
            // An HTML parser would drop a NUL and turn a CR into a newline, so that the trees would differ.
            '\0' | '\r' => html.push('\u{fffd}'),
            other => html.push(other),
        }
    }
}

/// A tree as a view: a `div` with a class and changing content.
pub struct Shown {
    class: &'static str,
    content: Option<Vec<Markup>>,
}

impl Shown {
    /// Shows these elements.
    pub fn new(class: &'static str, content: impl IntoIterator<Item = Element>) -> Self {
        Self { class, content: Some(content.into_iter().map(Markup::Element).collect()) }
    }

    /// Leaves the content unchanged: what the server rendered stays until the browser knows more.
    pub fn kept(class: &'static str) -> Self {
        Self { class, content: None }
    }

    /// Renders the content as HTML.
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
