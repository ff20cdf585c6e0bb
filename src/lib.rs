//! redshift-iam-proxy
pub mod config;
pub mod secret;
