//! What operators of PgBouncer type by habit and this console has under another name.

/// The command of this console that stands for a `SHOW` of PgBouncer's.
pub(super) fn show_instead(name: &str) -> Option<&'static str> {
    Some(match name {
        "POOLS" | "DATABASES" => "Connections and their sessions are in SHOW CONNECTIONS.",
        "STATS_TOTALS" | "STATS_AVERAGES" | "TOTALS" => "Totals are in SHOW STATS.",
        "SOCKETS" | "ACTIVE_SOCKETS" | "FDS" => {
            "Sessions with their addresses are in SHOW SESSIONS; open files are in SHOW LIMITS."
        }
        "LISTS" | "MEM" => "What is in use, with its limits, is in SHOW LIMITS.",
        "DNS_HOSTS" | "DNS_ZONES" => "CHECK <conn_id> resolves the host of a connection and tells what it finds.",
        "PEERS" | "PEER_POOLS" => "Replicas are in SHOW FLEET.",
        "STATE" => "What the proxy is at is in SHOW DRAIN.",
        "ALL" | "SETTINGS" => "Settings are in SHOW CONFIG.",
        _ => return None,
    })
}

/// The command of this console that stands for a command of PgBouncer's.
pub(super) fn instead(keyword: &str) -> Option<&'static str> {
    Some(match keyword {
        "PAUSE" => "DISABLE <conn_id> keeps new logins away from a connection.",
        "RESUME" => "ENABLE <conn_id> lets new logins to a connection in again.",
        "SUSPEND" | "WAIT_CLOSE" => "DRAIN lets sessions end as they fall idle, and lets nobody new in.",
        "RECONNECT" => {
            "REFRESH <conn_id> fetches new credentials; KILL CONNECTION <conn_id> ends the sessions of a connection."
        }
        "KILL_CLIENT" => "KILL <session> ends one session.",
        _ => return None,
    })
}
