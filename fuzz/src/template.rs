//! Chat templates: a stranger's programs, which end, in a text or an error.

use std::fs;

use zoomr_model::text::chat::{ChatTemplate, Message};

use super::file::scratch;

/// `chat_template.jinja`.
pub fn template(bytes: &[u8]) -> bool {
    let dir = scratch("template");
    fs::write(dir.join("chat_template.jinja"), bytes).unwrap();
    ChatTemplate::from_dir(&dir).is_ok_and(|chat| renders(&chat))
}

/// Whether a conversation becomes a text.
pub(crate) fn renders(chat: &ChatTemplate) -> bool {
    let messages = [Message::system("be brief"), Message::user("a\nb"), Message::user("<b> \u{e9}")];
    chat.render(&messages, true).is_ok()
}
