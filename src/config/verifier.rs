//! SCRAM-SHA-256 verifiers: what is stored in place of a password.
