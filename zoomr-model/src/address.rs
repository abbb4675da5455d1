//! Addresses of servers: checked where they come in, and shown without the passwords that may be in them.

use std::fmt;

/// An `http` or `https` URL with a host.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Address(String);

impl Address {
    /// Takes a URL.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(url: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = url.split_once("://").ok_or("http:// or https:// is missing")?;
        if !["http", "https"].contains(&scheme) {
            return Err("only http:// and https:// are known");
        }
        if url.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err("there is white space in it");
        }
        let (host, port) = host_and_port(rest);
        if host.is_empty() {
            return Err("it should be a host and perhaps a path");
        }
        // ureq takes a port that is none for the scheme's own, and a key would go to whoever listens there.
        if port.is_some_and(|port| port.parse::<u16>().is_err()) {
            return Err("its port is no number up to 65535");
        }
        Ok(Self(url.to_owned()))
    }

    /// Takes a URL that paths are to be added to; white space and slashes at its end do no harm.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn base(url: &str) -> Result<Self, &'static str> {
        let base = Self::parse(url.trim().trim_end_matches('/'))?;
        if base.0.contains(['?', '#']) { Err("it should be a host and perhaps a path") } else { Ok(base) }
    }

    /// The whole URL, password included: not to be shown.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The part after the host and its port, without the first slash.
    #[cfg(feature = "train")]
    pub(crate) fn path(&self) -> &str {
        let (_, rest) = self.parts();
        rest.split_once('/').map_or("", |(_, path)| path)
    }

    /// The address `path` below this one; both are URLs already, nothing is quoted.
    pub(crate) fn join(&self, path: &str) -> Self {
        Self(format!("{}/{path}", self.0))
    }

    /// Scheme, host and port: who is spoken to. A secret of one origin is none of another's business.
    #[cfg(feature = "hub")]
    pub(crate) fn origin(&self) -> String {
        let (scheme, rest) = self.parts();
        let (host, port) = host_and_port(rest);
        let port = port.unwrap_or(if scheme == "https" { "443" } else { "80" });
        format!("{scheme}://{}:{port}", host.to_ascii_lowercase())
    }

    /// Where a `Location` header that this address answers with leads.
    ///
    /// # Errors
    /// What is wrong with it; also where it leads from `https` to `http`.
    #[cfg(feature = "hub")]
    pub(crate) fn follow(&self, location: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = self.parts();
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let next = match location {
            _ if location.starts_with("//") => Self::parse(&format!("{scheme}:{location}")),
            _ if location.starts_with('/') => Self::parse(&format!("{scheme}://{authority}{location}")),
            _ => Self::parse(location),
        }?;
        if scheme == "https" && next.0.starts_with("http:") {
            return Err("it leads from https to http");
        }
        Ok(next)
    }

    /// Scheme, and what follows it.
    fn parts(&self) -> (&str, &str) {
        self.0.split_once("://").unwrap_or_default()
    }
}

/// Host and port of what follows the scheme of a URL; the host of an IPv6 address has its brackets.
fn host_and_port(rest: &str) -> (&str, Option<&str>) {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let name = authority.rsplit_once('@').map_or(authority, |(_, name)| name);
    match name.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (name, None),
    }
}

/// A URL, or what was given for one, without user, password and query.
pub(crate) fn shown(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").map_or(("", url), |(scheme, rest)| (scheme, rest));
    // Not the first one: a password that nobody has quoted may have any character.
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    if scheme.is_empty() { rest.to_owned() } else { format!("{scheme}://{rest}") }
}

impl fmt::Display for Address {
    /// Without user, password and query.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(&self.0))
    }
}

impl fmt::Debug for Address {
    /// As it is displayed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leads_nowhere_is_refused() {
        for bad in [
            "",
            "localhost:8000",
            "ftp://example.org",
            "https://",
            "https:///v1",
            "http://a b",
            "http://a\n",
            "http://a:99999",
            "http://[::1]:x",
            "http://u:p@",
        ] {
            assert!(Address::parse(bad).is_err(), "{bad}");
        }
        assert!(Address::base("http://a?k=v").is_err());
        assert_eq!(Address::base(" http://a/b// ").unwrap().as_str(), "http://a/b");
    }

    #[test]
    fn passwords_are_not_shown() {
        for (given, shows) in [
            ("http://me:secret@host:80/v1?key=secret", "http://host:80/v1"),
            ("http://me:sec/ret@host", "http://host"),
            ("http://me:secret@[::1]:8", "http://[::1]:8"),
            ("me:secret@host", "host"),
            ("http://host/v1", "http://host/v1"),
        ] {
            assert_eq!(shown(given), shows);
        }
        let address = Address::parse("http://me:secret@host").unwrap();
        assert_eq!(format!("{address} {address:?}"), "http://host http://host");
    }

    #[test]
    #[cfg(feature = "hub")]
    fn origins_are_told_apart_however_they_are_spelled() {
        let origin = |url: &str| Address::parse(url).unwrap().origin();
        assert_eq!(origin("https://Host/a"), origin("https://me:pw@host:443?b"));
        for other in ["http://host", "https://host:444", "https://host.evil", "https://evil/@host"] {
            assert_ne!(origin("https://host"), origin(other), "{other}");
        }
        assert_eq!(origin("http://[::1]"), origin("http://[::1]:80"));
    }

    #[test]
    #[cfg(feature = "hub")]
    fn redirects_lead_to_addresses_or_nowhere() {
        let from = Address::parse("https://me:pw@host:8/a?b").unwrap();
        let to = |location: &str| from.follow(location).map(|to| to.as_str().to_owned());
        assert_eq!(to("/c"), Ok("https://me:pw@host:8/c".into()));
        assert_eq!(to("//other/c"), Ok("https://other/c".into()));
        assert_eq!(to("https://other/c?d"), Ok("https://other/c?d".into()));
        for bad in ["", "c", "http://host:8/a", "file:///etc/passwd", "https://"] {
            assert!(to(bad).is_err(), "{bad}");
        }
    }
}
