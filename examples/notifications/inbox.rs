//! What a subscriber keeps on disk, so that it may be killed at any moment: the notifications it
//! has acted on, and the last event ID.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use fetch_event_source::Event;

/// A directory, for one process at a time.
pub(crate) struct Inbox {
    directory: PathBuf,
    messages: File,
    /// The ID of the last message.
    newest: Option<String>,
}

impl Inbox {
    pub(crate) fn open(directory: &Path) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        let messages = OpenOptions::new()
            .create(true)
            .append(true)
            .open(directory.join("messages"))?;
        // A stump that a crash has left would run into the next line.
        let text = fs::read(directory.join("messages"))?;
        let whole = text.iter().rposition(|byte| *byte == b'\n');
        messages.set_len(whole.map_or(0, |last| last as u64 + 1))?;
        Ok(Self {
            directory: directory.to_owned(),
            newest: read(directory)?.pop().map(|(id, _)| id),
            messages,
        })
    }

    /// Where to go on: empty at first, which is what a source takes for none.
    pub(crate) fn last_event_id(&self) -> io::Result<String> {
        match fs::read_to_string(self.directory.join("last-event-id")) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
            read => read,
        }
    }

    /// Whether the newest message's ID is the one that is kept.
    pub(crate) fn is_kept(&self) -> io::Result<bool> {
        Ok(self.newest.as_deref().unwrap_or_default() == self.last_event_id()?)
    }

    /// Acts on a notification; `false`: that was done before. It happens at most to the newest, if
    /// the process was killed before it could keep the ID.
    pub(crate) fn act(&mut self, event: &Event) -> io::Result<bool> {
        let id = event.last_event_id();
        if self.newest.as_deref() == Some(id) {
            return Ok(false);
        }
        let line = format!("{id}\t{}\n", event.data().escape_debug());
        self.messages.write_all(line.as_bytes())?;
        self.messages.sync_data()?;
        self.newest = Some(id.to_owned());
        Ok(true)
    }

    /// Keeps the ID, all of it or not at all: a file that is written anew, on the disk, and then
    /// takes the place of the old one, on the disk too.
    pub(crate) fn keep(&self, last_event_id: &str) -> io::Result<()> {
        let new = self.directory.join("last-event-id.new");
        let mut file = File::create(&new)?;
        file.write_all(last_event_id.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, self.directory.join("last-event-id"))?;
        #[cfg(unix)] // elsewhere a directory cannot be opened
        File::open(&self.directory)?.sync_all()?;
        Ok(())
    }
}

/// The messages so far: ID and text. A line that is not whole was not acted on.
pub(crate) fn read(directory: &Path) -> io::Result<Vec<(String, String)>> {
    let text = fs::read_to_string(directory.join("messages"))?;
    let lines = text
        .split_inclusive('\n')
        .filter_map(|line| line.strip_suffix('\n'));
    let messages = lines.filter_map(|line| line.split_once('\t'));
    Ok(messages
        .map(|(id, text)| (id.to_owned(), text.to_owned()))
        .collect())
}
