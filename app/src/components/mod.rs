//! Components of the pages.

mod card;
mod compare;
mod distribution;
mod facts;
mod filters;
mod header;
mod health;
mod job_timeline;
mod jobs;
mod masonry;
mod notice;
mod preview;
mod recipe_fields;
mod state;
mod time;
mod undo_bar;
mod upload_panel;
mod upload_tray;

pub use card::Card;
pub use compare::{Compare, Side};
pub use distribution::Distributions;
pub use facts::{Fact, Facts};
pub use filters::Filters;
pub use header::Header;
pub use health::HealthBanner;
pub use job_timeline::JobTimeline;
pub use jobs::Jobs;
pub use masonry::{EXTRA, Place, place_shapes};
pub use notice::{ProblemLine, ProblemNotice};
pub use preview::{Dialog, PreviewDialog};
pub use recipe_fields::{Entered, RecipeFields, recipe_label, recipe_of};
pub use state::{ProgressBar, StateChip, phase_label};
pub use time::Ago;
pub use undo_bar::UndoBar;
pub use upload_panel::UploadPanel;
pub use upload_tray::{DropAnywhere, UploadTray};
