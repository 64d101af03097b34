//! Views that never wait during hydration.
//!
//! With `into_any`, Leptos keeps a second, asynchronous way to hydrate every view, for routes whose code is loaded later. Here,
//! a page's code is loaded before the page is hydrated ([`crate::later::load`]). A view wrapped in [`Settled`] has only the
//! synchronous way, which makes the hydration code in the module a quarter smaller.

use leptos::prelude::*;
use leptos::tachys::html::attribute::Attribute;
use leptos::tachys::html::attribute::any_attribute::AnyAttribute;
use leptos::tachys::hydration::Cursor;
use leptos::tachys::ssr::StreamBuilder;
use leptos::tachys::view::any_view::AnyView;
use leptos::tachys::view::{Position, PositionState};

/// View that is hydrated synchronously. Everything else is delegated to the inner view.
pub struct Settled<V>(V);

impl<V: RenderHtml> Settled<V> {
    /// Wraps a view.
    pub fn new(view: V) -> Self {
        Self(view)
    }
}

/// `into_any` for views that are hydrated synchronously.
pub trait IntoSettled {
    /// Erases the view's type.
    fn settle(self) -> AnyView;
}

impl<V: RenderHtml + Send + 'static> IntoSettled for V {
    fn settle(self) -> AnyView {
        Settled(self).into_any()
    }
}

impl<V: Render> Render for Settled<V> {
    type State = V::State;

    fn build(self) -> Self::State {
        self.0.build()
    }

    fn rebuild(self, state: &mut Self::State) {
        self.0.rebuild(state);
    }
}

impl<V: RenderHtml> AddAnyAttr for Settled<V> {
    type Output<A: Attribute> = <V as AddAnyAttr>::Output<A>;

    fn add_any_attr<A: Attribute>(self, attribute: A) -> Self::Output<A>
    where
        Self::Output<A>: RenderHtml,
    {
        self.0.add_any_attr(attribute)
    }
}

impl<V: RenderHtml> RenderHtml for Settled<V> {
    type AsyncOutput = V::AsyncOutput;
    type Owned = Settled<V::Owned>;

    const MIN_LENGTH: usize = V::MIN_LENGTH;
    const EXISTS: bool = V::EXISTS;

    fn dry_resolve(&mut self) {
        self.0.dry_resolve();
    }

    async fn resolve(self) -> Self::AsyncOutput {
        self.0.resolve().await
    }

    fn html_len(&self) -> usize {
        self.0.html_len()
    }

    fn to_html_with_buf(
        self,
        buf: &mut String,
        position: &mut Position,
        escape: bool,
        mark_branches: bool,
        extra_attrs: Vec<AnyAttribute>,
    ) {
        self.0.to_html_with_buf(buf, position, escape, mark_branches, extra_attrs);
    }

    fn to_html_async_with_buf<const OUT_OF_ORDER: bool>(
        self,
        buf: &mut StreamBuilder,
        position: &mut Position,
        escape: bool,
        mark_branches: bool,
        extra_attrs: Vec<AnyAttribute>,
    ) {
        self.0.to_html_async_with_buf::<OUT_OF_ORDER>(buf, position, escape, mark_branches, extra_attrs);
    }

    fn hydrate<const FROM_SERVER: bool>(self, cursor: &Cursor, position: &PositionState) -> Self::State {
        self.0.hydrate::<FROM_SERVER>(cursor, position)
    }

    fn into_owned(self) -> Self::Owned {
        Settled(self.0.into_owned())
    }
}
