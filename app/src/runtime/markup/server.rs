//! DOM side of the virtual DOM on the server: empty, since the server only writes HTML.

use leptos::tachys::hydration::Cursor;
use leptos::tachys::view::PositionState;

use super::Markup;

/// No state.
pub type State = ();

pub fn build(_class: &'static str, _content: Option<Vec<Markup>>) -> State {}

pub fn rebuild(_content: Option<Vec<Markup>>, _state: &mut State) {}

pub fn hydrate(_content: Option<Vec<Markup>>, _cursor: &Cursor, _position: &PositionState) -> State {}
