//! The folder that travels: programs stripped and compressed, the golden models, a configuration to train, the
//! script, and a limit on it all.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use super::{Program, RUN};
use crate::workspace::{DEFAULT_MODEL, GOLDEN, root};

/// Ignored by git; made anew each time.
pub(super) const FOLDER: &str = ".device-carry";

/// What such machines take in one go, with room for the repository itself.
const MAX_BYTES: u64 = 60 << 20;

/// The folder as packed.
pub(super) struct Folder {
    pub(super) path: PathBuf,
    /// Its files, relative to it, with their sizes in bytes; largest first.
    pub(super) files: Vec<(String, u64)>,
}

/// Packs the folder.
pub(super) fn create(programs: &[Program]) -> Result<Folder> {
    let path = root().join(FOLDER);
    if path.exists() {
        fs::remove_dir_all(&path).with_context(|| format!("cannot remove {}", path.display()))?;
    }
    for program in programs {
        let place = match program.kind.as_str() {
            "bin" => path.clone(),
            "bench" => path.join("bench"),
            _ => path.join("tests"),
        };
        add_program(&program.path, &place, &program.name)?;
    }
    copy_folder(&root().join(GOLDEN), &path.join("golden"))?;
    let config = root().join(DEFAULT_MODEL).join("config.json");
    fs::copy(&config, path.join("config.json"))
        .with_context(|| format!("cannot copy {}", config.display()))?;
    fs::write(path.join("run.sh"), RUN).context("cannot write run.sh")?;
    let mut files = Vec::new();
    list(&path, &path, &mut files)?;
    files.sort_by_key(|(name, bytes)| (std::cmp::Reverse(*bytes), name.clone()));
    check_size(&files)?;
    Ok(Folder { path, files })
}

pub(super) fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn check_size(files: &[(String, u64)]) -> Result<()> {
    let total: u64 = files.iter().map(|(_, bytes)| bytes).sum();
    let largest = files.first().map_or("nothing", |(name, _)| name.as_str());
    ensure!(
        total <= MAX_BYTES,
        "{FOLDER} holds {:.1} MiB, over {:.0} MiB; the largest file is {largest}",
        mib(total),
        mib(MAX_BYTES)
    );
    Ok(())
}

/// Puts a program into `folder` as `name.gz`, without symbols: together that is an eighth of its size.
fn add_program(program: &Path, folder: &Path, name: &str) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let copy = folder.join(name);
    tool(Command::new("strip").arg("-o").arg(&copy).arg(program))?;
    tool(Command::new("gzip").arg(&copy))
}

fn tool(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command.status().with_context(|| format!("cannot run `{name}`; install it"))?;
    ensure!(status.success(), "`{name}` failed: {status}");
    Ok(())
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let path = entry?.path();
        let copy = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy_folder(&path, &copy)?;
        } else {
            fs::copy(&path, &copy).with_context(|| format!("cannot copy {}", path.display()))?;
        }
    }
    Ok(())
}

fn list(base: &Path, folder: &Path, files: &mut Vec<(String, u64)>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry?;
        let path = entry.path();
        if path.is_dir() {
            list(base, &path, files)?;
        } else {
            let name = path.strip_prefix(base).unwrap_or(&path).to_string_lossy().into_owned();
            files.push((name, entry.metadata()?.len()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_over_the_limit_is_refused_and_its_largest_file_named() {
        assert!(check_size(&[("zoomr".to_owned(), MAX_BYTES)]).is_ok());
        let error = check_size(&[("zoomr".to_owned(), MAX_BYTES), ("run.sh".to_owned(), 1)]).unwrap_err();
        assert!(error.to_string().ends_with("the largest file is zoomr"), "{error}");
    }
}
