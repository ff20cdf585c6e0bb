//! ParameterStatus: a name and a value that the warehouse reports.

use crate::wire::take_cstr;

/// Whether a ParameterStatus holds a name and a value, as drivers rely on.
pub(super) fn is_whole(body: &[u8]) -> bool {
    let nuls = body.iter().filter(|&&byte| byte == 0).count();
    nuls == 2 && body.ends_with(&[0]) && !body.starts_with(&[0])
}

/// The value of a ParameterStatus, if it is of the parameter `wanted`. Servers differ in the case
/// of names.
pub(super) fn parameter(mut body: &[u8], wanted: &str) -> Option<String> {
    let name = take_cstr(&mut body)?;
    let value = take_cstr(&mut body)?;
    name.eq_ignore_ascii_case(wanted).then(|| value.to_owned())
}
