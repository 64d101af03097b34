//! Configuration of the Kubernetes integration.

/// Which pods and logs to follow, and for which pod.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Name of this process's pod.
    pub pod: String,
    /// Label selector of the array's pods.
    pub selector: String,
    /// Container whose log is read.
    pub container: String,
    /// Whether this process runs in the cluster; if not, the module does nothing unless its pod exists there anyway.
    pub inside: bool,
}
