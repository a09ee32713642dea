//! The syntax of names, label keys and label values, as the API server demands it. Each function says what is wrong.

const LABEL_VALUE_MAX: usize = 63;
const QUALIFIED_NAME_MAX: usize = 63;
const DNS_LABEL_MAX: usize = 63;
const DNS_SUBDOMAIN_MAX: usize = 253;
const PORT_NAME_MAX: usize = 15;

/// The name of a namespace.
pub(super) fn dns_label(text: &str) -> Result<(), String> {
    at_most(DNS_LABEL_MAX, text)?;
    if is_dns_label(text) {
        Ok(())
    } else {
        Err(format!(
            "`{text}` is no DNS label; expected lower-case letters, digits and `-`, beginning and ending with a letter or digit"
        ))
    }
}

/// The name of a policy, and the prefix of a label key.
pub(super) fn dns_subdomain(text: &str) -> Result<(), String> {
    at_most(DNS_SUBDOMAIN_MAX, text)?;
    if text.split('.').all(is_dns_label) {
        Ok(())
    } else {
        Err(format!(
            "`{text}` is no DNS subdomain; expected lower-case letters, digits, `-` and `.`, each part beginning and ending with a letter or digit"
        ))
    }
}

/// The key of a label or an annotation: `name` or `prefix/name`.
pub(super) fn label_key(text: &str) -> Result<(), String> {
    let name = match text.split_once('/') {
        None => text,
        Some((prefix, name)) => {
            dns_subdomain(prefix).map_err(|reason| format!("prefix of key `{text}`: {reason}"))?;
            name
        }
    };
    at_most(QUALIFIED_NAME_MAX, name)?;
    if is_qualified(name) {
        Ok(())
    } else {
        Err(format!(
            "key `{text}` is no qualified name; expected letters, digits, `-`, `_` and `.`, beginning and ending with a letter or digit, optionally after a DNS subdomain and `/`"
        ))
    }
}

/// The value of a label.
pub(super) fn label_value(text: &str) -> Result<(), String> {
    at_most(LABEL_VALUE_MAX, text)?;
    if text.is_empty() || is_qualified(text) {
        Ok(())
    } else {
        Err(format!(
            "`{text}` is no label value; expected nothing, or letters, digits, `-`, `_` and `.`, beginning and ending with a letter or digit"
        ))
    }
}

/// The name of a port (IANA_SVC_NAME).
pub(super) fn port_name(text: &str) -> Result<(), String> {
    at_most(PORT_NAME_MAX, text)?;
    let wrong = if text.is_empty() {
        "is empty"
    } else if !text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        "holds other characters than lower-case letters, digits and `-`"
    } else if text.bytes().all(|b| b.is_ascii_digit()) {
        "is a number in quotes"
    } else if !text.bytes().any(|b| b.is_ascii_lowercase()) {
        "holds no letter"
    } else if text.contains("--") {
        "holds two hyphens in a row"
    } else if text.starts_with('-') || text.ends_with('-') {
        "begins or ends with a hyphen"
    } else {
        return Ok(());
    };
    Err(format!("port name `{text}` {wrong}; expected a number from 1 to 65535 or an IANA service name"))
}

fn at_most(limit: usize, text: &str) -> Result<(), String> {
    if text.len() <= limit {
        Ok(())
    } else {
        Err(format!("`{text}` has {} bytes; expected at most {limit}", text.len()))
    }
}

fn is_dns_label(text: &str) -> bool {
    framed_by_alphanumerics(text) && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn is_qualified(text: &str) -> bool {
    framed_by_alphanumerics(text) && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

fn framed_by_alphanumerics(text: &str) -> bool {
    let bytes = text.as_bytes();
    matches!((bytes.first(), bytes.last()), (Some(a), Some(z)) if a.is_ascii_alphanumeric() && z.is_ascii_alphanumeric())
}
