//! The labels of metrics and all the values that each may have. No text of a client becomes one.

/// A label whose values are known from the start.
pub(crate) trait Label: Copy + 'static {
    /// The values, in the order in which they are shown.
    const ALL: &'static [Self];
    /// The value as it is written.
    fn text(self) -> &'static str;
    /// The place of the value in [`Label::ALL`].
    fn index(self) -> usize;
}

macro_rules! labels {
    ($($(#[$doc:meta])* $label:ident { $($(#[$of_value:meta])* $value:ident = $text:literal,)+ })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub(crate) enum $label {
            $($(#[$of_value])* $value,)+
        }

        impl Label for $label {
            const ALL: &'static [Self] = &[$(Self::$value),+];

            fn text(self) -> &'static str {
                match self { $(Self::$value => $text),+ }
            }

            fn index(self) -> usize {
                self as usize
            }
        }
    )+};
}

labels! {
    /// The outcome of a login, a dial or a call to AWS.
    Outcome {
        /// It succeeded.
        Ok = "ok",
        /// It was refused, by the proxy, AWS or the warehouse.
        Denied = "denied",
        /// AWS asked for fewer calls.
        Throttled = "throttled",
        /// A deadline passed.
        Timeout = "timeout",
        /// It failed otherwise.
        Error = "error",
    }

    /// The fate of a CancelRequest.
    CancelOutcome {
        /// The warehouse has been sent the request.
        Ok = "ok",
        /// The request was passed on to the replica that has the session.
        Forwarded = "forwarded",
        /// No session has the key.
        Missed = "missed",
        /// The address has sent too many wrong keys, or too many queries without a client were
        /// being cancelled.
        Limited = "limited",
        /// The warehouse of the session could not be reached.
        Unreachable = "unreachable",
        /// The request failed otherwise.
        Error = "error",
    }

    /// The outcome of a reload.
    ReloadOutcome {
        /// The new configuration is in force.
        Ok = "ok",
        /// The new configuration is wrong, and the old one stays.
        Error = "error",
    }

    /// The party or limit that ended a session.
    End {
        /// The client left.
        Client = "client",
        /// The warehouse closed the connection.
        Upstream = "upstream",
        /// `limits.idle_timeout` passed.
        Idle = "idle",
        /// `limits.session_lifetime` passed.
        Lifetime = "lifetime",
        /// An operator ended it.
        Killed = "killed",
        /// The proxy drained.
        Drain = "drain",
        /// The session lost its right to be there.
        Revoked = "revoked",
        /// The login was refused.
        Refused = "refused",
        /// One side failed.
        Error = "error",
    }

    /// The direction of bytes.
    Direction {
        /// From clients to warehouses.
        Up = "up",
        /// From warehouses to clients.
        Down = "down",
    }

    /// The stage of a login that took some time.
    LoginStage {
        /// From the accept to AuthenticationOk.
        ClientAuth = "client_auth",
        /// The wait for a database login.
        Credentials = "credentials",
        /// DNS and TCP.
        Connect = "connect",
        /// The TLS handshake with the warehouse.
        Tls = "tls",
        /// The login at the warehouse.
        UpstreamAuth = "upstream_auth",
    }

    /// The reason why a client has not proved who it is.
    AuthReason {
        /// The password was wrong, expired, not yet read, or the user is disabled.
        Password = "password",
        /// No user has the name.
        UnknownUser = "unknown_user",
        /// The certificate was missing, or did not prove the user.
        Certificate = "certificate",
        /// The user may not come from its address.
        Address = "address",
        /// The address or the user is banned.
        Banned = "banned",
    }

    /// The reason why a TLS handshake failed.
    TlsReason {
        /// A certificate was not accepted by us.
        Certificate = "certificate",
        /// The peer said by an alert why it refuses.
        Alert = "alert",
        /// The peer has no protocol of ours to speak inside TLS (ALPN).
        Alpn = "alpn",
        /// The peer has closed the connection.
        Closed = "closed",
        /// A deadline passed.
        Timeout = "timeout",
        /// The peer refuses TLS, or we do.
        Refused = "refused",
        /// The peer broke the protocol.
        Protocol = "protocol",
    }

    /// The entry of a user's `password` that was used.
    Slot {
        /// The first, or the only one.
        First = "1",
        /// The second.
        Second = "2",
    }

    /// The side of a TLS connection.
    Side {
        /// Towards the client.
        Client = "client",
        /// Towards the warehouse.
        Upstream = "upstream",
    }

    /// The SQLSTATE that a client was refused with.
    Sqlstate {
        /// A connection that AWS or the warehouse denies to the proxy.
        NotAvailable = "08004",
        /// A warehouse that cannot be reached.
        Unreachable = "08001",
        /// A client that breaks the protocol.
        Protocol = "08P01",
        /// A client that asks for a feature that Redshift has not.
        NotSupported = "0A000",
        /// A client that is not let in, whatever its password.
        NotAllowed = "28000",
        /// A wrong password, or an unknown user.
        Password = "28P01",
        /// A connection that does not exist, or that the user may not open.
        NoConnection = "3D000",
        /// A cap on sessions.
        TooMany = "53300",
        /// An end by an operator.
        Terminated = "57P01",
        /// Something that may succeed later.
        NotNow = "57P03",
        /// A fault of our own.
        Internal = "XX000",
        /// The warehouse's own error, passed on.
        Other = "other",
    }
}

impl Sqlstate {
    /// The label of a SQLSTATE; `other` if it is none of ours.
    pub(crate) fn of(sqlstate: &str) -> Self {
        let known = Self::ALL.iter().find(|known| known.text() == sqlstate);
        known.copied().unwrap_or(Self::Other)
    }
}
