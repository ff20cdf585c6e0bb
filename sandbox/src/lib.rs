//! A stand-in for Amazon Redshift, Serverless and provisioned, and for the AWS calls that lead to
//! it.
//!
//! Two servers that share one book of database logins:
//! * [`aws`]: an HTTP endpoint that answers what of SSM, Secrets Manager, DynamoDB, STS, Redshift
//!   Serverless and Redshift leads to a login, as AWS does, with SigV4 checked, and faults to
//!   order.
//! * [`warehouse`]: Redshift's login dialogue over TLS in front of a real PostgreSQL
//!   ([`postgres`]).
//!
//! As a library it is the test rig of redshift-iam-proxy; as a program it is the back end of its
//! demo. Everything listens on loopback only.

pub mod aws;
pub mod ca;
pub mod error;
pub mod logins;
pub mod postgres;
pub mod sandbox;
pub mod warehouse;
pub mod wire;
