//! Why a client has proved nothing, for the log, and what an exchange ended with.

use thiserror::Error;

/// Why a client has proved nothing. It is for the log only: the client reads the same of all.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub(crate) enum Reason {
    /// The password or the SCRAM proof matches none of the user's verifiers.
    #[error("wrong password")]
    WrongPassword,
    /// The client's certificate does not prove the user that it asks to be.
    #[error(
        "the client's certificate is in another name, or not for clients (extended key usage), or its only name is a common name \
             and a CA of its chain has name constraints"
    )]
    WrongCertificate,
    /// The client sent a SCRAM message that does not follow the grammar, or contradicts itself.
    #[error("a malformed SCRAM message")]
    Malformed,
    /// The client's last SCRAM message belongs to another exchange.
    #[error("the proof is bound to another channel or nonce: somebody is in between, or the client is in error")]
    OtherExchange,
    /// The proof was made with the right password, so it is no guess, but for another TLS channel.
    #[error(
        "the password is right, but its proof is bound to another TLS channel: TLS ends ahead of us, or somebody is in between"
    )]
    OtherChannel,
    /// The client believes that channel binding was not offered.
    #[error("the client says that it saw no offer of channel binding, but it was made one: somebody is in between")]
    Downgrade,
    /// A ban began while this login was under way. We do not say whether the proof was right; a
    /// cleartext password was not even hashed.
    #[error("too many wrong proofs meanwhile")]
    BannedMeanwhile,
    /// No user of the configuration has the name.
    #[error("unknown user")]
    UnknownUser,
    /// The user's entry says `enabled = false`.
    #[error("disabled user")]
    Disabled,
    /// The user's `password_expires` has passed.
    #[error("expired password")]
    Expired,
    /// No verifier of the user is known yet, so whatever it shows may be right.
    #[error("the user's password is a reference that has not been read yet, or that leads to nothing usable")]
    Unread,
}

impl Reason {
    /// The sort of reason in the log, for those who count lines; a name never changes.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::WrongPassword => "wrong password",
            Self::WrongCertificate => "wrong certificate",
            Self::Malformed => "malformed SCRAM",
            Self::OtherExchange => "other exchange",
            Self::OtherChannel => "other channel",
            Self::Downgrade => "downgrade",
            Self::BannedMeanwhile => "banned",
            Self::UnknownUser => "unknown user",
            Self::Disabled => "disabled user",
            Self::Expired => "expired password",
            Self::Unread => "unread password",
        }
    }

    /// Whether an exchange that ended for this reason was a wrong guess: a proof that was finished,
    /// and wrong.
    pub(super) fn is_guess(self) -> bool {
        match self {
            Self::WrongPassword | Self::WrongCertificate | Self::OtherExchange => true,
            // No proof was finished (after a malformed message or a downgrade none can be), or it
            // was right.
            Self::Malformed | Self::OtherChannel | Self::Downgrade | Self::BannedMeanwhile => false,
            // Of the account, not of an exchange.
            Self::UnknownUser | Self::Disabled | Self::Expired | Self::Unread => false,
        }
    }
}

/// The outcome of an exchange that ran to its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verification {
    /// The client knows the password of the verifier with this index.
    Proved(usize),
    /// The client has proved nothing.
    Failed(Reason),
}
