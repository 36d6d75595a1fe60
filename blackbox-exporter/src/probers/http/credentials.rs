//! What a module says about who it is: `basic_auth`, `authorization`, and the user of a URL.
//!
//! Values are never shown.

use hyper::header::HeaderValue;

use super::target::Url;
use crate::config::{Given, HttpClient};
use crate::given::{authorization, basic, no_store};
use crate::reason::Failure;

/// Whether all that a module names can be had at all: no request is made for one that cannot.
pub(super) fn check(client: &HttpClient) -> Result<(), Failure> {
    let basic = client.basic_auth.iter().flat_map(|auth| [&auth.username, &auth.password]);
    let bearer = client.authorization.iter().map(|auth| &auth.credentials);
    let token = client.oauth2.iter().flat_map(|auth| [&auth.client_secret, &auth.client_certificate_key]);
    for given in basic.chain(bearer).chain(token).flatten() {
        if let Given::Ref(name) = given {
            return Err(no_store(name));
        }
    }
    Ok(())
}

/// An `Authorization`, hidden from whoever prints it.
pub(super) fn value(text: &[u8]) -> Result<HeaderValue, Failure> {
    let mut value = HeaderValue::from_bytes(text.trim_ascii())
        .map_err(|_| Failure::module("credentials: expected text that a header can hold"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// The `Authorization` of `basic_auth` or `authorization`.
pub(super) fn configured(client: &HttpClient) -> Result<Option<HeaderValue>, Failure> {
    authorization(client)?.map(|text| value(&text)).transpose()
}

/// The `Authorization` of a URL's user.
pub(super) fn of_url(url: &Url) -> Result<Option<HeaderValue>, Failure> {
    url.user.as_ref().map(|(user, password)| value(&basic(user.as_bytes(), password.0.as_bytes()))).transpose()
}
