//! File of the browser.

/// A file of the browser.
#[cfg(feature = "hydrate")]
pub type File = send_wrapper::SendWrapper<web_sys::File>;
/// Placeholder type: only a browser has files.
#[cfg(not(feature = "hydrate"))]
pub type File = ();
