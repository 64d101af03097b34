//! Virtual scrolling for content taller than browsers support: they limit elements to about 17 or 33 million pixels, and a
//! hundred thousand images on a phone need more than half of that.
//!
//! The scroll bar gets a shorter range than the content. Small moves scroll the content by the same distance; moves of more
//! than a window's height, such as dragging the bar, jump to the proportional position. Between moves, the bar is put back to
//! its proportional position, which moves nothing visible.

/// Maximum scroll range, in pixels: below the limit of every browser.
pub const LONGEST: f64 = 8_000_000.0;

/// Positions of scroll bar and content. All lengths are in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Scroll {
    content: f64,
    view: f64,
    bar: f64,
    /// Content position minus bar position.
    offset: f64,
}

/// How far the bar may drift from its proportional position before it is corrected, as a fraction of the range.
const SLACK: f64 = 0.005;

impl Scroll {
    /// Sets the heights of the content and of the window. The visible position is kept if possible.
    pub fn resize(&mut self, content: f64, view: f64) {
        let seen = self.seen();
        (self.content, self.view) = (content, view);
        self.show(seen);
    }

    /// Returns the scroll range: the height of the scrolling element.
    pub fn range(&self) -> f64 {
        self.content.min(LONGEST)
    }

    /// Returns the content position at the window's top edge.
    pub fn seen(&self) -> f64 {
        self.bar + self.offset
    }

    /// Returns by how much the content is shifted up relative to the scrolling element.
    pub fn offset(&self) -> f64 {
        self.offset
    }

    /// Returns the bar's position.
    pub fn bar(&self) -> f64 {
        self.bar
    }

    /// Handles a move of the bar. Returns the position to put the bar at, if it has drifted too far.
    pub fn moved(&mut self, to: f64) -> Option<f64> {
        let by = to - self.bar;
        self.bar = to;
        if self.content <= LONGEST {
            self.offset = 0.0;
            return None;
        }
        let (bars, _) = self.ends();
        if by.abs() > self.view {
            self.offset = self.stands_for(to) - to;
            return None;
        }
        let belongs = self.belongs(self.seen());
        let near_an_end = to < self.edge() || to > bars - self.edge();
        let far = (belongs - to).abs() > if near_an_end { 1.0 } else { self.range() * SLACK };
        far.then(|| {
            self.show(self.seen());
            self.bar
        })
    }

    /// Scrolls to a content position: it will be at the window's top edge.
    pub fn show(&mut self, content: f64) {
        let (_, contents) = self.ends();
        // The position may be negative: the page may have something above the content.
        let content = content.min(contents.max(0.0));
        self.bar = self.belongs(content);
        self.offset = content - self.bar;
    }

    /// Returns the bar's proportional position for a content position. Near both ends the bar moves as the content does.
    fn belongs(&self, content: f64) -> f64 {
        let (bars, contents) = self.ends();
        let edge = self.edge();
        match content {
            _ if self.content <= LONGEST || content <= edge => content,
            _ if content >= contents - edge => bars - (contents - content),
            _ => edge + (content - edge) * (bars - 2.0 * edge) / (contents - 2.0 * edge),
        }
    }

    /// Returns the content position for a bar at its proportional position.
    fn stands_for(&self, bar: f64) -> f64 {
        let (bars, contents) = self.ends();
        let edge = self.edge();
        match bar {
            _ if bar <= edge => bar,
            _ if bar >= bars - edge => contents - (bars - bar),
            _ => edge + (bar - edge) * (contents - 2.0 * edge) / (bars - 2.0 * edge),
        }
    }

    /// Length at each end that isn't compressed.
    fn edge(&self) -> f64 {
        10.0 * self.view
    }

    /// Returns the maximum positions of the bar and of the content.
    fn ends(&self) -> (f64, f64) {
        (self.range() - self.view, self.content - self.view)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn long() -> Scroll {
        let mut scroll = Scroll::default();
        scroll.resize(20_000_000.0, 800.0);
        scroll
    }

    #[test]
    fn content_that_a_browser_can_scroll_is_scrolled_as_it_is() {
        let mut scroll = Scroll::default();
        scroll.resize(5_000_000.0, 800.0);
        for to in [0.0, 10.0, 4_000_000.0, 3.0, -200.0] {
            assert_eq!((scroll.moved(to), scroll.seen(), scroll.range()), (None, to, 5_000_000.0));
        }
    }

    #[test]
    fn dragging_the_bar_to_its_end_shows_the_contents_end() {
        let mut scroll = long();
        assert_eq!((scroll.range(), scroll.moved(LONGEST - 800.0)), (LONGEST, None));
        assert_eq!(scroll.seen(), 20_000_000.0 - 800.0);
        scroll.moved(0.0);
        assert_eq!(scroll.seen(), 0.0);
    }

    #[test]
    fn a_wheel_moves_the_content_by_as_much_and_never_stops_before_the_end() {
        for (start, step) in [(0.0, 300.0), (LONGEST - 800.0, -300.0)] {
            let mut scroll = long();
            scroll.moved(start);
            for _ in 0..200_000 {
                let (before, bar) = (scroll.seen(), scroll.bar());
                let last = if step > 0.0 { 20_000_000.0 - 800.0 } else { 0.0 };
                if before == last {
                    break;
                }
                let to = (bar + step).clamp(0.0, LONGEST - 800.0);
                scroll.moved(to);
                let moved = scroll.seen() - before;
                assert!((moved - step).abs() < 0.01 || (scroll.seen() - last).abs() < 1.0, "{moved} at {before}");
            }
            let end = if step > 0.0 { 20_000_000.0 - 800.0 } else { 0.0 };
            assert!((scroll.seen() - end).abs() < 1.0, "{}", scroll.seen());
        }
    }

    proptest! {
        #[test]
        fn every_part_of_the_content_can_be_shown(content in 1_000.0f64..1e9, part in 0.0f64..1.0) {
            let mut scroll = Scroll::default();
            scroll.resize(content, 800.0);
            let wanted = part * (content - 800.0);
            scroll.show(wanted);
            prop_assert!((scroll.seen() - wanted).abs() < 1.0);
            prop_assert!((0.0..=scroll.range() - 799.0).contains(&scroll.bar()));
        }
    }
}
