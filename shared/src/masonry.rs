//! Masonry: see the app.
