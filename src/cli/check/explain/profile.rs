//! Explains a broken profile of the shared files, where nothing else has credentials. The SDK's own
//! words name features of its build, and its types do not come this far.

use crate::aws::Call;
use crate::cli::check::context::Explanation;

/// Words of the SDK, what any of them means, and what to do.
const FAULTS: [(&[&str], &str, &str); 7] = [
    (
        &["credentials-login"],
        "the AWS profile has a login_session (aws login), which this proxy cannot use",
        "give the profile credential_process = aws configure export-credentials --profile NAME --format process, with NAME \
         the one that has the session; or keys, SSO, or a role of the machine's",
    ),
    (
        &["external process"],
        "the credential_process of the AWS profile fails",
        "run that command as the proxy's user and in its environment: it has to print JSON with Version 1, AccessKeyId and \
         SecretAccessKey, within 8 s",
    ),
    (
        &["sso-session named"],
        "the AWS profile names an sso_session that is not in the file",
        "add that [sso-session] to the config file (AWS_CONFIG_FILE, ~/.aws/config), or correct its name",
    ),
    (
        &["invalid SSO config"],
        "the AWS profile's SSO settings contradict each other, or lack some",
        "correct them: aws configure sso",
    ),
    (
        &["SSO", "UnauthorizedException"],
        "the AWS profile is one of IAM Identity Center, and has no session now",
        "log in as the proxy's user: aws sso login, with --profile where AWS_PROFILE is set; a server, where nobody does \
         that, needs a role (task, instance profile, Pod Identity)",
    ),
    (
        &["was not defined"],
        "the AWS profile is not in the shared files",
        "correct AWS_PROFILE (or source_profile), or add the profile; HOME, AWS_CONFIG_FILE and \
         AWS_SHARED_CREDENTIALS_FILE say which files they are",
    ),
    (
        &["ProfileFile provider could not be built"],
        "the AWS profile cannot be used",
        "correct it in the shared files (AWS_CONFIG_FILE, AWS_SHARED_CREDENTIALS_FILE)",
    ),
];

/// Explains the text of an error. `None`: it is not about a profile.
pub(super) fn explain(call: &Call, text: &str) -> Option<Explanation> {
    let (_, what, fix) = FAULTS
        .iter()
        .find(|(marks, ..)| marks.iter().any(|mark| text.contains(mark)))?;
    Some(Explanation::new(format_args!("{call}: no base credentials: {what}"), fix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::Operation;

    #[test]
    fn errors_of_the_sdk_about_a_profile_get_a_fix() {
        let call = Call::new(Operation::GetCallerIdentity, "");
        for (text, want) in [
            (
                "the credentials provider was not properly configured: ProfileFile provider could not be built: This \
                 behavior requires following cargo feature(s) enabled: credentials-login. In order to use an active login \
                 session, the `credentials-login` feature must be enabled.",
                "aws configure export-credentials",
            ),
            ("an error occurred while loading credentials: failed to load the cached SSO token", "aws sso login"),
            ("an error occurred while loading credentials: service error: UnauthorizedException: no", "aws sso login"),
            (
                "an error occurred while loading credentials: Error retrieving credentials: external process exited with code \
                 exit status: 1. Stderr: planted",
                "run that command as the proxy's user",
            ),
            ("the credential provider was not enabled: profile `x` was not defined: no", "correct AWS_PROFILE"),
            (
                "ProfileFile provider could not be built: profile formed an infinite loop",
                "correct it in the shared files",
            ),
        ] {
            let told = explain(&call, text).unwrap();
            assert!(told.fix.contains(want), "{told:?}");
            assert!(!told.what.contains("feature") && !told.what.contains("planted"), "{told:?}");
        }
        assert_eq!(explain(&call, "the credential provider was not enabled: neither the environment has any"), None);
    }
}
