//! Parts that pages are made of.

mod card;
mod compare;
mod facts;
mod filters;
mod header;
mod health;
mod jobs;
mod log;
mod masonry;
mod notice;
mod pods;
mod recipe_fields;
mod state;
mod time;
mod timeline;
mod upload_panel;
mod upload_tray;
mod work;

pub use card::Card;
pub use compare::Compare;
pub use facts::{Fact, Facts};
pub use filters::Filters;
pub use header::Header;
pub use health::{HealthBanner, health_sentence};
pub use jobs::Jobs;
pub use log::PodLog;
pub use masonry::place;
pub use notice::{ProblemLine, ProblemNotice};
pub use pods::{LeaderCard, Pods};
pub use recipe_fields::{Entered, RecipeFields, recipe_label, recipe_of};
pub use state::{ProgressBar, StateChip, phase_label};
pub use time::{Ago, Elapsed, lasting};
pub use timeline::Timeline;
pub use upload_panel::UploadPanel;
pub use upload_tray::{DropAnywhere, UploadTray};
pub use work::{Locks, Work};
