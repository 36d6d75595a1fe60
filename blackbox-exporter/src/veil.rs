//! What nobody may see of a module and a target, and how it is taken out of texts that a peer had a hand in.
//!
//! * No message of ours shows a secret. A peer may: it says again what it was told, in a line, a `Location`, the message
//!   of a status. So every field of a probe's log and the reason of its failure pass through here.
//! * Secrets of a module are those that `/config` hides, as they stand in the file, as they are escaped in a URL or a quoted
//!   text, and as Basic makes them; what is read from files or got from token servers is added by whoever has it.
//! * Texts of fewer than six bytes are left: they would be found within other words. So are words of a protocol
//!   among what a dialogue sends, such as `STARTTLS`.

use std::borrow::Cow;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::config::{self, Given, HttpClient, Proxy, QueryResponse, Secret, Tls, is_credential};

/// Shorter texts are not looked for.
const LEAST_BYTES: usize = 6;

/// Longer ones are not either: nothing is shown at such a length.
const MOST_BYTES: usize = 8 << 10;

/// What is shown instead.
const SHOWN: &str = "<secret>";

/// Texts that are not shown.
#[derive(Clone, Debug, Default)]
pub struct Veil(Vec<Secret>);

impl Veil {
    /// Over the secrets of a module.
    pub fn of(module: &config::Module) -> Self {
        let mut veil = Self::default();
        let http = &module.http;
        veil.add(&http.body);
        for (name, value) in &http.headers {
            veil.add_under(name, value);
        }
        veil.add_client(&http.client);
        veil.add_client(&module.websocket.client);
        for (name, values) in &module.websocket.headers {
            values.values.iter().for_each(|value| veil.add_under(name, value));
            values.secrets.iter().for_each(|secret| veil.add(&secret.0));
        }
        for (_, values) in &module.grpc.metadata {
            values.iter().for_each(|value| veil.add(value));
        }
        for steps in [&module.tcp.query_response, &module.unix.query_response, &module.websocket.query_response] {
            steps.iter().for_each(|step| veil.add_step(step));
        }
        for tls in [&module.tcp.tls_config, &module.unix.tls_config, &module.dns.tls_config, &module.grpc.tls_config] {
            veil.add_tls(tls);
        }
        // What is within another one must not be found first.
        veil.0.sort_by_key(|secret| std::cmp::Reverse(secret.0.len()));
        veil
    }

    /// Adds a secret, as it is and as it may come back.
    pub fn add(&mut self, text: &str) {
        let text = text.trim();
        if !(LEAST_BYTES..=MOST_BYTES).contains(&text.len()) {
            return;
        }
        self.0.push(Secret(text.to_owned()));
        let quoted: String = text.escape_debug().collect();
        let escaped = escaped(text);
        for other in [quoted, escaped] {
            if other != text {
                self.0.push(Secret(other));
            }
        }
    }

    /// Adds the credentials of an `Authorization`: what is behind its first word, or all of it.
    pub fn add_authorization(&mut self, value: &str) {
        self.add(value.trim().split_once(' ').map_or(value, |(_, credentials)| credentials));
    }

    /// Adds a user and a password as Basic makes one text of them.
    fn add_pair(&mut self, user: &str, password: &str) {
        self.add(password);
        self.add(&BASE64_STANDARD.encode(format!("{user}:{password}")));
    }

    /// Adds who a URL says one is.
    fn add_url(&mut self, url: &str) {
        let Some((_, user, _)) = split_user(url) else { return };
        self.add(&password_of(url));
        let (user, password) = user.split_once(':').unwrap_or((user, ""));
        let [user, password] = [user, password].map(|text| common::query::decode(&text.replace('+', "%2B")));
        self.add_pair(&user, &password);
    }

    fn add_under(&mut self, name: &str, value: &str) {
        if name.eq_ignore_ascii_case("authorization") || name.eq_ignore_ascii_case("proxy-authorization") {
            self.add_authorization(value);
        } else if is_credential(name) {
            self.add(value);
        }
    }

    fn add_given(&mut self, given: Option<&Given>) {
        if let Some(Given::Inline(secret)) = given {
            self.add(&secret.0);
        }
    }

    fn add_client(&mut self, client: &HttpClient) {
        if let Some(auth) = &client.basic_auth
            && let Some(Given::Inline(password)) = &auth.password
        {
            let user = match &auth.username {
                Some(Given::Inline(user)) => user.0.as_str(),
                _ => "",
            };
            self.add_pair(user, &password.0);
        }
        self.add_given(client.authorization.as_ref().and_then(|authorization| authorization.credentials.as_ref()));
        if let Some(oauth2) = &client.oauth2 {
            if let Some(Given::Inline(secret)) = &oauth2.client_secret {
                self.add_pair(&escaped(&oauth2.client_id), &escaped(&secret.0));
                self.add(&secret.0);
            }
            self.add_given(oauth2.client_certificate_key.as_ref());
            oauth2.endpoint_params.iter().for_each(|(name, value)| self.add_under(name, value));
            self.add_url(&oauth2.token_url);
            self.add_tls(&oauth2.tls);
            self.add_proxy(&oauth2.proxy);
        }
        self.add_tls(&client.tls);
        self.add_proxy(&client.proxy);
        for (name, values) in &client.http_headers {
            values.values.iter().for_each(|value| self.add_under(name, value));
            values.secrets.iter().for_each(|secret| self.add(&secret.0));
        }
    }

    fn add_tls(&mut self, tls: &Tls) {
        self.add_given(tls.key.as_ref());
    }

    fn add_proxy(&mut self, proxy: &Proxy) {
        if let Some(url) = &proxy.url {
            self.add_url(&url.0);
        }
        proxy.connect_headers.iter().flat_map(|(_, values)| values).for_each(|value| self.add_authorization(&value.0));
    }

    fn add_step(&mut self, step: &QueryResponse) {
        for line in String::from_utf8_lossy(&step.send).lines() {
            if !line.trim().bytes().all(|b| b.is_ascii_uppercase()) {
                self.add(line);
            }
        }
    }

    /// The text without the secrets.
    pub fn cover<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut covered = Cow::Borrowed(text);
        for Secret(secret) in &self.0 {
            if covered.contains(secret.as_str()) {
                covered = Cow::Owned(covered.replace(secret.as_str(), SHOWN));
            }
        }
        covered
    }
}

/// As a text stands in a URL.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for b in text.bytes() {
        match b {
            b if b.is_ascii_alphanumeric() || b"-._~".contains(&b) => out.push(char::from(b)),
            b => out.push_str(&format!("%{b:02X}")),
        }
    }
    out
}

/// User and host of a text that may be a URL with a user in it: what is before them, the user, what is behind the `@`.
fn split_user(text: &str) -> Option<(&str, &str, &str)> {
    let start = text.find("//").map_or(0, |at| at + 2);
    let (head, rest) = text.split_at_checked(start)?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end)?;
    if let Some((user, _)) = authority.rsplit_once('@') {
        return Some((head, user, rest.get(user.len() + 1..)?)).filter(|_| !user.is_empty());
    }
    // A password with a slash in it looks like a path.
    let port = authority.rsplit_once(':').map(|(_, port)| port)?;
    if port.is_empty() || port.bytes().all(|b| b.is_ascii_digit()) || authority.ends_with(']') {
        return None;
    }
    let (user, behind) = path.rsplit_once('@')?;
    Some((head, rest.get(..end + user.len())?, behind))
}

/// The password of a URL, or the user where that is all there is; empty without one.
fn password_of(url: &str) -> String {
    let Some((_, user, _)) = split_user(url) else { return String::new() };
    user.split_once(':').map_or(user, |(_, password)| password).to_owned()
}

/// A target as people may see it, with the password that it had.
pub fn shown_target(target: &str) -> (Cow<'_, str>, String) {
    let Some((head, user, behind)) = split_user(target) else { return (Cow::Borrowed(target), String::new()) };
    let shown = match user.split_once(':') {
        Some((user, _)) => format!("{head}{user}:xxxxx@{behind}"),
        None => format!("{head}xxxxx@{behind}"),
    };
    (Cow::Owned(shown), password_of(target))
}

/// For the table of parsers.
pub(crate) fn feed(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (shown, password) = shown_target(&text);
    let mut veil = Veil::default();
    veil.add(&password);
    drop(veil.cover(&shown));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        for (target, want, password) in [
            ("http://user:word@h:1/x?y", "http://user:xxxxx@h:1/x?y", "word"),
            ("user:word@h/x@y", "user:xxxxx@h/x@y", "word"),
            ("https://token@h", "https://xxxxx@h", "token"),
            ("http://u:p@w@h", "http://u:xxxxx@h", "p@w"),
            ("http://u:p/w@h/x", "http://u:xxxxx@h/x", "p/w"),
            ("http://h:80/a@b", "http://h:80/a@b", ""),
            ("http://[::1]/a@b", "http://[::1]/a@b", ""),
            ("@abstract", "@abstract", ""),
            ("/run/a@b", "/run/a@b", ""),
            ("h:ssh", "h:ssh", ""),
            ("", "", ""),
        ] {
            assert_eq!(shown_target(target), (want.into(), password.to_owned()), "{target}");
        }
    }

    #[test]
    fn secrets_are_found_however_they_come_back() {
        let mut veil = Veil::default();
        for secret in ["pass word\"1", "short", "  around it "] {
            veil.add(secret);
        }
        veil.add_authorization("Bearer abcdefgh");
        for (text, want) in [
            ("said pass word\"1 again", "said <secret> again"),
            ("said \"pass word\\\"1\"", "said \"<secret>\""),
            ("/?x=pass%20word%221", "/?x=<secret>"),
            ("short is left", "short is left"),
            ("around it, Bearer abcdefgh", "<secret>, Bearer <secret>"),
        ] {
            assert_eq!(veil.cover(text), want);
        }
    }

    #[test]
    fn words_of_a_protocol_are_no_secrets() {
        let step = |send: &str| QueryResponse { send: send.into(), ..QueryResponse::default() };
        let tcp =
            config::Tcp { query_response: vec![step("STARTTLS"), step("PASS letmein\r\n")], ..config::Tcp::default() };
        let veil = Veil::of(&config::Module { tcp, ..config::Module::default() });
        assert_eq!(veil.cover("250-STARTTLS, PASS letmein"), "250-STARTTLS, <secret>");
    }
}
