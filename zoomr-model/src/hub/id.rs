//! Names that become paths in the cache, checked before they do: models, revisions, commits, and blobs.

use std::fmt;

use super::HubError;

/// The revision where none is named.
const MAIN: &str = "main";

/// A model on the hub, `org/name`, or one of its revisions, `org/name@revision`; of a repository of GGUF files the one whose
/// name ends in what is behind a colon, `org/name:Q4_K_M`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelId {
    org: Box<str>,
    name: Box<str>,
    /// A branch, a tag, or a commit.
    revision: Option<Box<str>>,
    /// How the name of the GGUF file ends.
    ending: Option<Box<str>>,
}

impl ModelId {
    /// Takes a hub id apart from what cannot be one.
    ///
    /// # Errors
    /// [`HubError::NotAModel`] for anything but two names of letters, digits, `-`, `_` and `.`, the first of
    /// which is no dot, perhaps a revision after `@`: such names, joined by `/`, and perhaps such a name after a colon.
    pub fn parse(text: &str) -> Result<Self, HubError> {
        let (whole, ending) = text.rsplit_once(':').map_or((text, None), |(id, end)| (id, Some(end)));
        let (id, revision) = whole.split_once('@').map_or((whole, None), |(id, rev)| (id, Some(rev)));
        let is_revision =
            |revision: &str| revision.split('/').all(|part| is_name(part, &['-', '_', '.', '+']));
        match id.split_once('/') {
            Some((org, name))
                if [org, name].iter().all(|part| is_name(part, &['-', '_', '.']) && !part.contains("--"))
                    && revision.is_none_or(is_revision)
                    && ending.is_none_or(|ending| is_name(ending, &['-', '_', '.'])) =>
            {
                let [revision, ending] = [revision, ending].map(|part| part.map(Into::into));
                Ok(Self { org: org.into(), name: name.into(), revision, ending })
            }
            _ => Err(HubError::NotAModel { model: text.to_owned() }),
        }
    }

    /// The model's path at the hub.
    pub(super) fn path(&self) -> String {
        format!("{}/{}", self.org, self.name)
    }

    /// The model's directory in a cache.
    pub(super) fn dir(&self) -> String {
        format!("models--{}--{}", self.org, self.name)
    }

    /// The revision asked for.
    pub(super) fn revision(&self) -> &str {
        self.revision.as_deref().unwrap_or(MAIN)
    }

    /// How the name of the GGUF file ends that was asked for, if one was.
    pub(super) fn ending(&self) -> Option<&str> {
        self.ending.as_deref()
    }

    /// The commit, where that is what was asked for.
    pub(super) fn commit(&self) -> Option<Commit> {
        Commit::parse(self.revision()).ok()
    }
}

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path())?;
        self.revision.iter().try_for_each(|revision| write!(f, "@{revision}"))?;
        self.ending.iter().try_for_each(|ending| write!(f, ":{ending}"))
    }
}

/// Whether a text is one part of a path that leads to no other place: letters, digits and `others`, not beginning with
/// a dot or a dash, and without two dots in a row.
fn is_name(text: &str, others: &[char]) -> bool {
    let known = |c: char| c.is_ascii_alphanumeric() || others.contains(&c);
    !text.is_empty() && !text.starts_with(['.', '-']) && !text.contains("..") && text.chars().all(known)
}

/// A commit: the hash that git knows a revision by, of 40 or 64 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Commit(String);

impl Commit {
    /// Takes what somebody says is a commit.
    ///
    /// # Errors
    /// What it is, for people.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        match [40, 64].contains(&text.len()) && text.bytes().all(is_hex) {
            true => Ok(Self(text.to_owned())),
            false => Err(format!("{text:.80?} is no commit")),
        }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a hub calls the contents of a file: the name of its blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Etag(String);

impl Etag {
    /// Takes the value of an `ETag` header, quotes and a mark of weakness included.
    ///
    /// # Errors
    /// What it is, for people, where it could not be the name of a file.
    pub(super) fn parse(header: &str) -> Result<Self, String> {
        let text = header.trim().trim_start_matches("W/").trim_matches('"');
        // No dots: `.incomplete` and `.lock` are for us to add.
        match is_name(text, &['-', '_']) && text.len() <= 128 {
            true => Ok(Self(text.to_owned())),
            false => Err(format!("the ETag {text:.80?} cannot be the name of a file")),
        }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it looks like the SHA-256 of the contents, which the hub uses for large files.
    pub(super) fn is_sha256(&self) -> bool {
        self.0.len() == 64 && self.0.bytes().all(is_hex)
    }
}

fn is_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_and_etags_lead_to_no_other_place() {
        let sha = "0123456789abcdef0123456789abcdef01234567";
        assert_eq!(Commit::parse(sha).unwrap().as_str(), sha);
        for bad in [
            "",
            "main",
            "../../etc",
            "/etc/passwd",
            &sha[1..],
            &sha.replace('a', "A"),
            &sha.replace('a', "/"),
        ] {
            assert!(Commit::parse(bad).is_err(), "{bad}");
        }
        for good in ["\"abc-1_D\"", "W/\"abc-1_D\"", "abc-1_D"] {
            assert_eq!(Etag::parse(good).unwrap().as_str(), "abc-1_D");
        }
        for bad in [
            "",
            "\"\"",
            "..",
            "/etc/passwd",
            "a/b",
            "a\\b",
            "a.incomplete",
            "-rf",
            "a b",
            "C:x",
            &"a".repeat(129),
        ] {
            assert!(Etag::parse(bad).is_err(), "{bad}");
        }
    }
}
