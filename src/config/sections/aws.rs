//! `[aws]`, and the variables of the environment by which the AWS SDK finds its endpoints.

use crate::config::reader::{Doc, Table};
use crate::config::tree::Location;
use crate::config::value;

/// The keys of `[aws]`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Aws {
    /// The Region. `None`: the SDK's chain decides.
    pub region: Option<String>,
    /// Replaces the endpoint of every service but those that have an `AWS_ENDPOINT_URL_<SERVICE>`.
    pub endpoint_url: Option<String>,
}

/// Reads `[aws]`. A refused value is reported and left out, so that the rest is checked too.
pub(in crate::config) fn aws(mut table: Table<'_>) -> Aws {
    let region = table
        .take("region")
        .and_then(|region| region.parse(value::region));
    let endpoint = table.take("endpoint_url");
    if let Some(endpoint) = &endpoint {
        endpoint.warn("AWS is called at this address, not at its own");
    }
    let endpoint_url = endpoint.and_then(|url| url.parse(value::endpoint_url));
    table.finish();
    Aws { region, endpoint_url }
}

/// Checks the endpoints that the AWS SDK reads from the environment, by the rules of
/// `aws.endpoint_url`.
pub(in crate::config) fn endpoints_of_the_environment(doc: &Doc<'_>) {
    // The last two are where a profile of IAM Identity Center has its keys from.
    let services =
        ["", "_REDSHIFT_SERVERLESS", "_REDSHIFT", "_SSM", "_STS", "_SECRETS_MANAGER", "_DYNAMODB", "_SSO", "_SSO_OIDC"];
    for service in services {
        let name = format!("AWS_ENDPOINT_URL{service}");
        match doc
            .env
            .and_then(|env| env(&name))
            .map(|url| value::endpoint_url(&url))
        {
            None => {}
            Some(Ok(_)) => {
                doc.warn(Location::WHOLE, &name, "this environment variable has AWS called at another address")
            }
            Some(Err(message)) => doc.report(Location::WHOLE, &name, format_args!("(environment) {message}")),
        }
    }
}
