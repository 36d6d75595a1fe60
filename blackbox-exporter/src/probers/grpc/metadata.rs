//! The module's metadata as a request has it.
//!
//! * A name consists of `0-9 a-z - _ .`; a value of printable ASCII characters, or of any bytes where the name ends in `-bin`.
//!   Anything else is a mistake, of which the RPC dies with status 13 before it is sent.
//! * Names that belong to gRPC itself, and those that begin with `:`, are left out.

use tonic::metadata::{AsciiMetadataKey, BinaryMetadataKey, MetadataMap, MetadataValue};

/// Names that a request has its own values for.
const RESERVED: [&str; 8] = [
    "content-type",
    "grpc-encoding",
    "grpc-message",
    "grpc-message-type",
    "grpc-status",
    "grpc-timeout",
    "te",
    "user-agent",
];

/// Metadata of a request.
///
/// # Errors
/// What is wrong, in one sentence that shows no value.
pub(super) fn metadata(configured: &[(String, Vec<String>)]) -> Result<MetadataMap, String> {
    let mut metadata = MetadataMap::new();
    for (name, values) in configured {
        if name.starts_with(':') {
            continue;
        }
        let known = |b: u8| b.is_ascii_digit() || b.is_ascii_lowercase() || matches!(b, b'-' | b'_' | b'.');
        let unnamed = || format!("metadata {name:?}: expected a name of 0-9 a-z - _ and .");
        if name.is_empty() || !name.bytes().all(known) {
            return Err(unnamed());
        }
        for value in values {
            if name.ends_with("-bin") {
                let key = BinaryMetadataKey::from_bytes(name.as_bytes()).map_err(|_| unnamed())?;
                metadata.append_bin(key, MetadataValue::from_bytes(value.as_bytes()));
                continue;
            }
            if !value.bytes().all(|b| (b' '..=b'~').contains(&b)) {
                return Err(format!("metadata {name:?}: expected a value of printable ASCII characters"));
            }
            if RESERVED.contains(&name.as_str()) {
                continue;
            }
            let key = AsciiMetadataKey::from_bytes(name.as_bytes()).map_err(|_| unnamed())?;
            let value = value.parse().map_err(|_| format!("metadata {name:?}: expected another value"))?;
            metadata.append(key, value);
        }
    }
    Ok(metadata)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(name: &str, values: &[&str]) -> Result<Vec<(String, Vec<u8>)>, String> {
        let values = values.iter().map(ToString::to_string).collect();
        let headers = metadata(&[(name.to_owned(), values)])?.into_headers();
        Ok(headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect())
    }

    #[test]
    fn what_is_sent() {
        for (name, values, want) in [
            ("tenant", &["a", "b c"][..], &["a", "b c"][..]),
            ("grpc-foo", &["x"], &["x"]),
            ("x.y_z-0", &[""], &[""]),
            ("data-bin", &["\u{1}é"], &["AcOp"]),
            ("user-agent", &["x"], &[]),
            ("te", &["x"], &[]),
            ("grpc-timeout", &["1S"], &[]),
            (":authority", &["x"], &[]),
            ("none", &[], &[]),
        ] {
            let want: Vec<_> = want.iter().map(|value| (name.to_owned(), value.as_bytes().to_vec())).collect();
            assert_eq!(sent(name, values), Ok(want), "{name}");
        }
    }

    #[test]
    fn mistakes() {
        for (name, value) in
            [("Tenant", "hidden"), ("", "hidden"), ("a b", "hidden"), ("é", "hidden"), ("a", "hidden\n")]
        {
            let wrong = sent(name, &[value]).unwrap_err();
            assert!(!wrong.contains("hidden"), "{wrong}");
        }
    }
}
