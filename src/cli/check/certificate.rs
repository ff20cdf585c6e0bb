//! Reads the end of a certificate's validity, and no more of X.509 (RFC 5280, 4.1) than that takes.

/// The last day on which a certificate in DER is valid, as `2027-01-31`. `None`: it is no
/// certificate.
pub(super) fn not_after(der: &[u8]) -> Option<String> {
    const SEQUENCE: u8 = 0x30;
    const VERSION: u8 = 0xa0;
    let inside = |(tag, content, _): (u8, _, _)| (tag == SEQUENCE).then_some(content);
    let mut fields = inside(element(inside(element(der)?)?)?)?;
    let (first, _, behind) = element(fields)?;
    if first == VERSION {
        fields = behind;
    }
    // Serial number, signature algorithm, issuer.
    for _ in 0..3 {
        fields = element(fields)?.2;
    }
    let (_, _, not_after) = element(inside(element(fields)?)?)?;
    let (tag, text, _) = element(not_after)?;
    day(tag, std::str::from_utf8(text).ok()?)
}

/// The day of a time in DER. UTCTime has two digits for the year, 1950 to 2049; GeneralizedTime has
/// four.
fn day(tag: u8, text: &str) -> Option<String> {
    const UTC_TIME: u8 = 0x17;
    const GENERALIZED_TIME: u8 = 0x18;
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = text.split_at_checked(2)?;
            (format!("{}{year}", if year < "50" { "20" } else { "19" }), rest)
        }
        GENERALIZED_TIME => text
            .split_at_checked(4)
            .map(|(year, rest)| (year.to_owned(), rest))?,
        _ => return None,
    };
    Some(format!("{year}-{}-{}", rest.get(..2)?, rest.get(2..4)?))
}

/// The first element of DER: its tag, its content, and what comes behind it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&short, mut rest) = rest.split_first()?;
    let mut length = usize::from(short);
    if short >= 0x80 {
        let digits = rest
            .get(..usize::from(short & 0x7f))
            .filter(|digits| (1..=4).contains(&digits.len()))?;
        length = digits
            .iter()
            .fold(0, |length, digit| length << 8 | usize::from(*digit));
        rest = rest.get(digits.len()..)?;
    }
    let (content, behind) = rest.split_at_checked(length)?;
    Some((tag, content, behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(year: i32) -> Vec<u8> {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(year, 3, 9);
        params.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn the_last_day_of_a_certificate() {
        assert_eq!(not_after(&made(2031)).as_deref(), Some("2031-03-09"));
        assert_eq!(not_after(&made(2131)).as_deref(), Some("2131-03-09"));
    }

    #[test]
    fn bytes_that_are_no_certificate_have_no_last_day() {
        let whole = made(2031);
        for end in 0..whole.len() {
            assert_eq!(not_after(&whole[..end]), None, "{end}");
        }
        assert_eq!(not_after(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), None);
    }
}
