//! Templates of fixes.

/// A template with a value for each name in braces. Braces around anything else, for which `value`
/// has none, stay.
pub(super) fn fill(template: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let (mut out, mut rest) = (String::new(), template);
    while let Some((before, behind)) = rest.split_once('{') {
        out += before;
        match behind
            .split_once('}')
            .and_then(|(name, behind)| Some((value(name)?, behind)))
        {
            Some((value, behind)) => {
                out += &value;
                rest = behind;
            }
            None => {
                out.push('{');
                rest = behind;
            }
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_braces_are_replaced_once() {
        let value = |name: &str| (name == "on").then(|| "{on}".to_owned());
        assert_eq!(fill("a {on}, {off} {\"x\":{on}} {", value), "a {on}, {off} {\"x\":{on}} {");
        assert_eq!(fill("{on}{on}", |_| Some("b".to_owned())), "bb");
        assert_eq!(fill("", |_| None), "");
    }
}
