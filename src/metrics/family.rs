//! The list of all metrics: their names, labels and descriptions. docs/metrics.md is held to it by
//! a test.

use prometheus_client::metrics::MetricType;

/// One metric, whatever its labels.
#[derive(Debug)]
pub(crate) struct Family {
    /// The name without the prefix; that of a counter without `_total`.
    pub(crate) name: &'static str,
    /// Whether it is a counter, a gauge or a histogram.
    pub(crate) kind: MetricType,
    /// The names of its labels, in the order in which they are written.
    pub(crate) labels: &'static [&'static str],
    /// Its description.
    pub(crate) help: &'static str,
}

/// The prefix of all metrics but those of the process.
pub(crate) const PREFIX: &str = "redshift_iam_proxy";

macro_rules! families {
    ($list:ident: $($family:ident = $kind:ident $name:literal [$($label:literal),*] $help:literal;)+) => {
        $(pub(super) const $family: Family =
            Family { name: $name, kind: MetricType::$kind, labels: &[$($label),*], help: $help };)+

        #[cfg(test)]
        pub(super) const $list: &[Family] = &[$($family),+];
    };
}

families! { OURS:
    SESSIONS_ACTIVE = Gauge "sessions_active" ["conn_id"] "Sessions that hold a place now";
    SESSION_LIMIT = Gauge "session_limit" ["conn_id"] "Sessions that are let in at most (max_sessions)";
    SESSIONS = Counter "sessions" ["conn_id", "end"] "Sessions that have ended, by what ended them";
    LOGINS = Counter "logins" ["conn_id", "outcome"] "Logins, by what came of them";
    LOGIN_SECONDS = Histogram "login_seconds" ["conn_id", "stage"] "Time of each stage of logins that succeeded";
    BYTES = Counter "bytes" ["conn_id", "direction"] "Bytes relayed, up to the warehouse and down to the client";
    CONNECTIONS_ACCEPTED = Counter "connections_accepted" [] "TCP connections accepted from clients";
    HANDSHAKES_ACTIVE = Gauge "handshakes_active" [] "Clients that are connected and not authenticated yet";
    HANDSHAKE_LIMIT = Gauge "handshake_limit" [] "Clients that may be connected and not authenticated (limits.max_handshakes)";
    LOGIN_OLDEST = Gauge "login_oldest_seconds" [] "Age of the oldest connection that is not ready for queries, 0 if there is none";
    CREDENTIAL_WAITERS = Gauge "credential_waiters" [] "Logins that wait for a credential";
    CREDENTIAL_CALLS = Counter "credential_calls" ["operation", "outcome"] "Calls to AWS, with their retries";
    CREDENTIAL_EXPIRES = Gauge "credential_expires_seconds" ["conn_id"] "Time left of the held credential that expires first";
    DIAL_ATTEMPTS = Counter "dial_attempts" ["conn_id", "outcome"] "Attempts to reach a warehouse and to log in there";
    LAST_LOGIN = Gauge "last_login_success_timestamp_seconds" ["conn_id"] "Unix time of the last login that succeeded, 0 if none has";
    CLIENT_AUTH_FAILURES = Counter "client_auth_failures" ["reason"] "Clients that did not prove who they are, or may not come from there";
    REFUSALS = Counter "refusals" ["sqlstate"] "Refusals that clients were told, by SQLSTATE";
    TLS_FAILURES = Counter "tls_failures" ["side", "reason"] "TLS handshakes that failed";
    USER_PASSWORD_USES = Counter "user_password_uses" ["slot"] "Logins by the first and by the second entry of a user's password";
    BANS_ACTIVE = Gauge "bans_active" [] "Bans in force";
    CANCELS = Counter "cancels" ["outcome"] "CancelRequests, and cancels for clients that have vanished";
    CERTIFICATE_EXPIRES = Gauge "certificate_expires_seconds" ["which"] "Time left of the certificate or list that ends first, below 0 once it has";
    CONFIG_RELOADS = Counter "config_reloads" ["outcome"] "Reloads of the configuration";
    CONFIG_LAST_RELOAD = Gauge "config_last_reload_success_timestamp_seconds" [] "Unix time at which the configuration in force was loaded";
    REFERENCE_ERRORS = Counter "reference_errors" ["ref"] "Reads of values kept elsewhere that failed";
    REFERENCE_AGE = Gauge "reference_age_seconds" ["ref"] "Time since a value kept elsewhere was last read";
    LOG_LINES_DROPPED = Counter "log_lines_dropped" [] "Log lines that were dropped since nobody read them in time";
    BUILD_INFO = Gauge "build_info" ["version"] "The version that runs, always 1";
}

families! { PROCESS:
    CPU_SECONDS = Counter "process_cpu_seconds" [] "Processor time used, in seconds";
    RESIDENT_MEMORY = Gauge "process_resident_memory_bytes" [] "Memory that is resident, in bytes";
    VIRTUAL_MEMORY = Gauge "process_virtual_memory_bytes" [] "Address space, in bytes";
    OPEN_FDS = Gauge "process_open_fds" [] "Open file descriptors";
    MAX_FDS = Gauge "process_max_fds" [] "Most file descriptors that may be open";
    START_TIME = Gauge "process_start_time_seconds" [] "Unix time at which the process started";
}
