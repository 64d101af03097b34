//! Cryptography provider for TLS.

use std::sync::Once;

/// Installs the process's default provider, unless one has been installed already. Must be called before an HTTPS
/// client is created.
pub fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
}
