//! Calls that AWS did not answer: no Region, no base credentials, or no way there.

use super::profile;
use super::words::{is_about_credentials, is_about_region, last_cause};
use crate::aws::{Call, Code, partition};
use crate::cli::check::context::{Context, Explanation};

/// The fix where no Region is known.
pub(super) const NO_REGION: &str = "set aws.region, or the connection's region";

/// Explains why AWS did not answer. `None`: it did, and fails itself.
pub(super) fn explain(call: &Call, code: &Code, text: &str, context: &Context) -> Option<Explanation> {
    let (service, region) = (call.operation.service(), context.region_of(call));
    Some(match code {
        Code::NoConnection if is_about_region(text) => {
            Explanation::new(format_args!("{call}: no region is known"), NO_REGION)
        }
        Code::NoConnection if is_about_credentials(text) && profile::explain(call, text).is_some() => {
            return profile::explain(call, text);
        }
        Code::NoConnection if is_about_credentials(text) => Explanation::new(
            format_args!("{call}: the base credentials cannot be fetched: {}", last_cause(text)),
            "see whoever hands them out: the metadata service of the container or the instance, the EKS Pod Identity \
             Agent, or STS",
        ),
        Code::NoConnection | Code::Timeout if let Some((proxy, variable)) = &context.forward_proxy => {
            through_proxy(call, code, text, (proxy, variable), region)
        }
        Code::NoConnection | Code::Timeout => {
            let domain = partition::dns_suffix(region);
            let cause = cause(code, text);
            Explanation::new(
                format_args!("{call}: {service} cannot be reached in {region}: {cause}"),
                format_args!(
                    "give this machine a way to {service}.{region}.{domain}:443: a VPC endpoint \
                     (com.amazonaws.{region}.{service}, its security group open to this machine) or a NAT gateway; \
                     check aws.endpoint_url and the region"
                ),
            )
        }
        Code::Unreadable => Explanation::new(
            format_args!("{call}: what answered is not {service}"),
            "see who answers in its place: aws.endpoint_url, AWS_ENDPOINT_URL_* or an HTTP proxy",
        ),
        Code::Aws(_) | Code::NoCredentials | Code::Unbuilt => return None,
    })
}

/// Explains a call that a forward proxy stood in the way of.
fn through_proxy(call: &Call, code: &Code, text: &str, (proxy, variable): (&str, &str), region: &str) -> Explanation {
    let service = call.operation.service();
    if text.contains("proxy authorization required") {
        return Explanation::new(
            format_args!("{call}: the forward proxy {proxy} wants a user and a password (407)"),
            format_args!(
                "give it in {variable}: http://USER:PASSWORD@{proxy} (percent-encoded); or have calls of {service} in \
                 {region} pass it by, with NO_PROXY and a VPC endpoint"
            ),
        );
    }
    let cause = cause(code, text);
    Explanation::new(
        format_args!("{call}: {service} cannot be reached in {region} through the forward proxy {proxy}: {cause}"),
        format_args!(
            "see that {variable} names a proxy that is up and lets CONNECT to {service} in {region} through; or, where a \
             VPC endpoint or a NAT gateway is the way, list it in NO_PROXY"
        ),
    )
}

fn cause<'t>(code: &Code, text: &'t str) -> &'t str {
    if *code == Code::Timeout { "no answer in time" } else { last_cause(text) }
}
