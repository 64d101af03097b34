//! Scrolling through more content than a browser can scroll: elements end at some 17 or 33 million pixels, and a
//! hundred thousand images on a telephone need more than half of that.
//!
//! The scroll bar then has a shorter range than the content. What is moved by little moves the content by the same; what
//! is moved by more than a window's height, as by dragging the bar, goes to the same part of the content. In between, the bar
//! is put where it belongs, which moves nothing that is seen.

/// The longest range, in pixels: below the limit of every browser.
pub const LONGEST: f64 = 8_000_000.0;

/// Where a scroll bar stands, and what is seen. All lengths are in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Scroll {
    content: f64,
    view: f64,
    bar: f64,
    /// The content's place at the range's beginning.
    offset: f64,
}

/// How far the bar may stand from where it belongs before it is put there.
const SLACK: f64 = 0.005;

impl Scroll {
    /// Tells how much content there is and how much of it is seen at once. What is seen stays where it is, if it can.
    pub fn resize(&mut self, content: f64, view: f64) {
        let seen = self.seen();
        (self.content, self.view) = (content, view);
        self.show(seen);
    }

    /// The range of the bar: what the element is high.
    pub fn range(&self) -> f64 {
        self.content.min(LONGEST)
    }

    /// What of the content is at the upper edge of the window.
    pub fn seen(&self) -> f64 {
        self.bar + self.offset
    }

    /// How far the content is moved up against the element.
    pub fn offset(&self) -> f64 {
        self.offset
    }

    /// Where the bar stands.
    pub fn bar(&self) -> f64 {
        self.bar
    }

    /// The bar was moved. Says where it must be put, if it isn't where it belongs any more.
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

    /// Puts the bar where this part of the content is at the upper edge of the window.
    pub fn show(&mut self, content: f64) {
        let (_, contents) = self.ends();
        // Above the content there may be something else.
        let content = content.min(contents.max(0.0));
        self.bar = self.belongs(content);
        self.offset = content - self.bar;
    }

    /// Where the bar belongs when this part of the content is seen: near both ends it moves as the content does.
    fn belongs(&self, content: f64) -> f64 {
        let (bars, contents) = self.ends();
        let edge = self.edge();
        match content {
            _ if self.content <= LONGEST || content <= edge => content,
            _ if content >= contents - edge => bars - (contents - content),
            _ => edge + (content - edge) * (bars - 2.0 * edge) / (contents - 2.0 * edge),
        }
    }

    /// What is seen when the bar stands where it belongs.
    fn stands_for(&self, bar: f64) -> f64 {
        let (bars, contents) = self.ends();
        let edge = self.edge();
        match bar {
            _ if bar <= edge => bar,
            _ if bar >= bars - edge => contents - (bars - bar),
            _ => edge + (bar - edge) * (contents - 2.0 * edge) / (bars - 2.0 * edge),
        }
    }

    /// So much at each end isn't shortened.
    fn edge(&self) -> f64 {
        10.0 * self.view
    }

    /// The last places of the bar and of the content.
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
