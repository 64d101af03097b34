//! The process's provider of cryptography for TLS.

use std::sync::Once;

/// Sees to it that there is one before a client of HTTPS is made; whoever installed one before us wins.
pub fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
}
