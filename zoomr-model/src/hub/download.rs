//! One revision of one model, from the hub into the cache.

use std::{io, path::PathBuf};

use super::{
    HubError, ModelId, Progress, TransportError,
    blob::{Arriving, Stopped},
    cache::{Repository, make_parent},
    client::{Client, Description, Revision, text},
    environment::Environment,
    files::{CONFIG, INDEX, LARGEST, SMALL, WEIGHTS, of_gguf, shards},
};
use crate::pretrained::Foreign;

/// The download of a revision, file by file.
pub(super) struct Download<'a> {
    pub(super) id: &'a ModelId,
    pub(super) environment: &'a Environment,
    pub(super) client: &'a Client<'a>,
    pub(super) cached: &'a Repository,
    /// The commit, not `main`, which may move while files arrive.
    pub(super) revision: &'a Revision,
    pub(super) progress: &'a mut dyn Progress,
}

impl Download<'_> {
    /// Fetches what zoomr reads of the files that the revision lists: the small ones first. Returns where they are.
    pub(super) fn all(mut self) -> Result<PathBuf, HubError> {
        if let Some(ending) = self.id.ending() {
            return self.gguf(ending);
        }
        let listed = |name: &&str| self.revision.files.iter().any(|file| file == name);
        let unusable = |missing: &str| match Foreign::listed(&self.id.to_string(), &self.revision.files) {
            Some(foreign) => HubError::Foreign(foreign),
            None => HubError::NotLoadable { id: self.id.clone(), missing: missing.to_owned() },
        };
        // Said before gigabytes are fetched in vain.
        if !listed(&CONFIG) {
            return Err(unusable(CONFIG));
        }
        let weights = [WEIGHTS, INDEX].into_iter().find(listed).ok_or_else(|| unusable(WEIGHTS))?;
        let small: Vec<&str> = SMALL.into_iter().filter(listed).collect();
        let snapshot = self.cached.snapshot(&self.revision.commit);
        for file in small {
            self.file(file, LARGEST)?;
        }
        if weights == INDEX {
            self.file(INDEX, LARGEST)?;
            for shard in shards(&snapshot.join(INDEX))? {
                self.file(&shard, u64::MAX)?;
            }
        } else {
            self.file(WEIGHTS, u64::MAX)?;
        }
        Ok(snapshot)
    }

    /// Fetches the GGUF file whose name ends so, or all parts of it, and nothing else. Returns where the first is.
    fn gguf(&mut self, ending: &str) -> Result<PathBuf, HubError> {
        let parts = of_gguf(ending, &self.revision.files);
        let parts = parts
            .map_err(|models| HubError::NoSuchFile { id: self.id.clone(), models: models.join(", ") })?;
        for part in &parts {
            self.file(part, u64::MAX)?;
        }
        Ok(self.cached.snapshot(&self.revision.commit).join(&parts[0]))
    }

    /// Fetches one file of at most `most` bytes, if it is not there.
    fn file(&mut self, name: &str, most: u64) -> Result<(), HubError> {
        let commit = &self.revision.commit;
        if self.cached.snapshot(commit).join(name).exists() {
            return Ok(());
        }
        let url = self.client.file(self.id, commit, name);
        let announced = self.client.describe(url).map_err(|source| self.failed(name, source))?;
        let Description { etag, size, .. } = &announced;
        if *size > most {
            let (id, file) = (self.id.clone(), name.to_owned());
            return Err(HubError::TooLarge { id, file, size: *size, most });
        }
        let blob = self.cached.blob(etag);
        let _lock = self.cached.lock(etag, || self.progress.waiting(name))?;
        if !blob.metadata().is_ok_and(|found| found.len() == *size) {
            self.blob(name, &announced)?;
        }
        self.cached.link(etag, commit, name)
    }

    /// Fetches a blob, or what is missing of it.
    fn blob(&mut self, name: &str, announced: &Description) -> Result<(), HubError> {
        let part = self.cached.incomplete(&announced.etag);
        make_parent(&part)?;
        let mut arriving = Arriving::open(part, announced)?;
        self.progress.begin(name, announced.size);
        if arriving.len() < announced.size {
            let received = self.receive(name, announced, &mut arriving);
            match received {
                Err(Stopped::TooMany) => {
                    arriving.discard()?;
                    return Err(self.garbled(name, format!("more than its {} bytes", announced.size)));
                }
                Err(Stopped::Broken(error)) => {
                    return Err(self.failed(name, TransportError::Broken { reason: error.to_string() }));
                }
                Err(Stopped::Here(error)) => return Err(error),
                Ok(()) => {}
            }
        } else {
            self.progress.advance(announced.size);
        }
        if arriving.len() < announced.size {
            let reason = format!("{} of {} bytes are here", arriving.len(), announced.size);
            return Err(self.failed(name, TransportError::Broken { reason }));
        }
        if !arriving.is_announced(announced) {
            arriving.discard()?;
            return Err(self.garbled(name, "another SHA-256 than the hub gives".to_owned()));
        }
        arriving.finish(&self.cached.blob(&announced.etag))?;
        self.progress.end();
        Ok(())
    }

    /// Asks for the bytes that are missing, and takes them in.
    fn receive(
        &mut self,
        name: &str,
        announced: &Description,
        arriving: &mut Arriving,
    ) -> Result<(), Stopped> {
        let url = self.client.file(self.id, &self.revision.commit, name);
        let answer = self.client.get(url, arriving.len());
        let answer = answer.map_err(|source| Stopped::Here(self.failed(name, source)))?;
        let begins = format!("bytes {}-", arriving.len());
        let goes_on = text(answer.headers(), "content-range").is_some_and(|range| range.starts_with(&begins));
        if answer.status().as_u16() == 206 && !goes_on {
            return Err(Stopped::Broken(io::Error::other(
                "the hub sends another part than it was asked for",
            )));
        }
        if answer.status().as_u16() != 206 && arriving.len() > 0 {
            // It sends everything, whatever it was asked for.
            arriving.restart(announced).map_err(Stopped::Here)?;
        }
        self.progress.advance(arriving.len());
        let progress = &mut self.progress;
        let mut arrived = |bytes| progress.advance(bytes);
        arriving.receive(
            answer.into_body().into_reader(),
            announced.size,
            self.environment.stall,
            &mut arrived,
        )
    }

    fn garbled(&self, name: &str, problem: String) -> HubError {
        HubError::Garbled { id: self.id.clone(), file: name.to_owned(), problem }
    }

    fn failed(&self, file: &str, source: TransportError) -> HubError {
        // Of a file that the hub itself has listed, a 404 says nothing about the model.
        let refused = source.refusal(self.id).filter(|error| matches!(error, HubError::Denied { .. }));
        refused.unwrap_or_else(|| HubError::Download {
            id: self.id.clone(),
            file: file.to_owned(),
            source: Box::new(source),
        })
    }
}
