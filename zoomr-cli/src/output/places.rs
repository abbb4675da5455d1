//! The files that flags name, read or written: no output may be an input, or another output, for one would be lost; nor
//! may a file that is to be made be the directory of another.

use std::{
    fs::{self, Metadata},
    path::{Path, PathBuf},
};

use anyhow::{Result, bail};

use super::take_standard_output;

/// Standard input, where a file is read; standard output, where one is written.
const STREAM: &str = "-";

/// The files that were named so far.
#[derive(Debug, Default)]
pub(crate) struct Places(Vec<Place>);

#[derive(Debug)]
struct Place {
    /// The flag that named it.
    flag: &'static str,
    /// As it was named.
    named: PathBuf,
    /// Where it is or would be, however its path is spelled.
    path: PathBuf,
    /// The file that is there, whatever names it has.
    id: Option<(u64, u64)>,
    is_output: bool,
}

impl Places {
    /// A file that is read.
    ///
    /// # Errors
    /// Where it is an output; names the flags.
    pub(crate) fn input(&mut self, flag: &'static str, path: &Path) -> Result<()> {
        if path == Path::new(STREAM) { Ok(()) } else { self.add(flag, path, false) }
    }

    /// A directory whose files are read, or one file.
    ///
    /// # Errors
    /// Where one of them is an output; names the flags.
    pub(crate) fn input_dir(&mut self, flag: &'static str, dir: &Path) -> Result<()> {
        if dir.is_file() {
            return self.add(flag, dir, false);
        }
        // One that cannot be read is complained about by whoever needs it.
        let files = fs::read_dir(dir).into_iter().flatten().flatten();
        files.map(|file| file.path()).try_for_each(|path| self.add(flag, &path, false))
    }

    /// A file that is written. One that is standard output has it for itself from now on.
    ///
    /// # Errors
    /// Where it is an input, or another output; names the flags.
    pub(crate) fn output(&mut self, flag: &'static str, path: &Path) -> Result<()> {
        if path != Path::new(STREAM) {
            return self.add(flag, path, true);
        }
        if let Some(other) = self.0.iter().find(|other| other.named == path) {
            bail!("{} and {flag} are both standard output; give one of them a file", other.flag);
        }
        take_standard_output();
        self.0.push(Place { flag, named: path.into(), path: path.into(), id: None, is_output: true });
        Ok(())
    }

    fn add(&mut self, flag: &'static str, named: &Path, is_output: bool) -> Result<()> {
        let Some((path, id)) = place(named) else { return Ok(()) };
        let is_same = |other: &&Place| other.path == path || id.is_some() && other.id == id;
        let lost = |other: &&Place| is_same(other) && (other.is_output || is_output);
        if let Some(other) = self.0.iter().find(lost) {
            let (first, second) = (other.named.display(), named.display());
            let also = if other.named == named { String::new() } else { format!(", also called {second}") };
            bail!("{} and {flag} are both {first}{also}; give each a file of its own", other.flag);
        }
        let is_within = |other: &&Place| other.path.starts_with(&path) || path.starts_with(&other.path);
        if let Some(other) = self.0.iter().find(|other| (other.is_output || is_output) && is_within(other)) {
            let (one, other_flag, two) = (named.display(), other.flag, other.named.display());
            bail!("{flag} names {one}, and {other_flag} {two}: one of them would be a file and a directory");
        }
        self.0.push(Place { flag, named: named.to_owned(), path, id, is_output });
        Ok(())
    }
}

/// Where a file is or would be, and which; what no file can take the place of, as a device, is none.
fn place(path: &Path) -> Option<(PathBuf, Option<(u64, u64)>)> {
    match fs::metadata(path) {
        Ok(found) => Some((fs::canonicalize(path).ok()?, id(&found))).filter(|_| found.is_file()),
        Err(_) => {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            let dir = fs::canonicalize(parent.unwrap_or(Path::new("."))).ok();
            // A directory that is to be made, or a link that leads nowhere yet.
            let path = match (fs::read_link(path), dir) {
                (Ok(target), Some(dir)) => dir.join(target),
                (_, Some(dir)) => dir.join(path.file_name()?),
                (_, None) => std::path::absolute(path).ok()?,
            };
            Some((path, None))
        }
    }
}

/// Device and inode.
#[cfg(unix)]
fn id(found: &Metadata) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    Some((found.dev(), found.ino()))
}

/// There is no such number that is known to all versions; paths will do.
#[cfg(not(unix))]
fn id(_found: &Metadata) -> Option<(u64, u64)> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_names_of_a_file_are_one() {
        let dir = tempfile::tempdir().unwrap();
        let [there, new] = ["there", "new"].map(|name| dir.path().join(name));
        fs::write(&there, "").unwrap();
        let mut names = vec![
            (there.clone(), dir.path().join("./.").join("there")),
            (new.clone(), dir.path().join("./.").join("new")),
        ];
        #[cfg(unix)]
        {
            let [hard, soft, early] = ["hard", "soft", "early"].map(|name| dir.path().join(name));
            fs::hard_link(&there, &hard).unwrap();
            std::os::unix::fs::symlink("there", &soft).unwrap();
            std::os::unix::fs::symlink("new", &early).unwrap();
            names.extend([(there.clone(), hard), (there.clone(), soft), (new, early)]);
        }
        for (one, other) in names {
            let mut places = Places::default();
            places.input("--data", &one).unwrap();
            places.input("--model", &other).unwrap();
            let error = places.output("--trace", &other).unwrap_err().to_string();
            assert!(error.contains("--data and --trace are both"), "{error}");
            let mut places = Places::default();
            places.output("--trace", &one).unwrap();
            assert!(places.output("--record", &other).is_err());
            assert!(places.input("--data", &other).is_err());
            assert!(places.input_dir("--model", dir.path()).is_err() || !one.exists());
        }
    }

    #[test]
    fn devices_and_standard_input_are_nobodys() {
        let mut places = Places::default();
        for path in ["/dev/null", "-"] {
            places.input("--data", Path::new(path)).unwrap();
            places.input("--data", Path::new(path)).unwrap();
        }
        places.output("--trace", Path::new("/dev/null")).unwrap();
        places.output("--record", Path::new("/dev/null")).unwrap();
    }
}
