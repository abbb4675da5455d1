//! Conversations to prompts, by the model's own chat template.
//!
//! A template is a Jinja program that comes with the model: `chat_template.jinja`, or the field
//! `chat_template` of `tokenizer_config.json`, which holds one or several by name. It is run as Hugging Face
//! runs it, with `messages`, `add_generation_prompt` and the special tokens. What
//! it renders spells out special tokens, the first one included: encode it with
//! [`encode_verbatim`](super::tokenizer::Tokenizer::encode_verbatim).

use std::{
    error::Error as _,
    path::{Path, PathBuf},
};

use minijinja::{Environment, Value};

use super::{
    jinja,
    sidecar::{FileError, NamedTemplate, TemplateField, TokenizerConfig, read_if_there, read_optional},
};

/// What can be wrong with a chat template, or with a conversation given to it.
#[derive(Debug, thiserror::Error)]
pub enum ChatError {
    /// The model has no chat template.
    #[error(
        "the model in {dir} has no chat template (neither chat_template.jinja nor chat_template in \
         tokenizer_config.json): it is not a chat model; run without --chat"
    )]
    None {
        /// The model directory.
        dir: PathBuf,
    },
    /// There are several templates, and none is the default.
    #[error(
        "{path} has chat templates {names}, but none named \"default\"; keep the one you want as chat_template.jinja"
    )]
    NoDefault {
        /// The file.
        path: PathBuf,
        /// The names there are.
        names: String,
    },
    /// A file cannot be read or is not valid JSON.
    #[error(transparent)]
    File(#[from] FileError),
    /// The template is not valid Jinja.
    #[error(
        "the chat template in {path} is not valid: {source}; run without --chat, or correct the template"
    )]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What the template engine says.
        source: minijinja::Error,
    },
    /// The template itself refused the conversation.
    #[error("the chat template in {path} refuses these messages: {message}")]
    Refused {
        /// The file.
        path: PathBuf,
        /// The template's words.
        message: String,
    },
    /// The template cannot be run on the conversation.
    #[error(
        "the chat template in {path} cannot be rendered: {source}; run without --chat, or correct the template"
    )]
    Render {
        /// The file.
        path: PathBuf,
        /// What the template engine says.
        source: minijinja::Error,
    },
}

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who speaks: `system`, `user`, `assistant`, or whatever else the template knows.
    pub role: String,
    /// What is said.
    pub content: String,
}

impl Message {
    /// A turn of the user's.
    pub fn user(content: impl Into<String>) -> Self {
        Self { role: "user".into(), content: content.into() }
    }

    /// What the model is told before the conversation.
    pub fn system(content: impl Into<String>) -> Self {
        Self { role: "system".into(), content: content.into() }
    }

    fn to_value(&self) -> Value {
        Value::from_pairs([("role", &self.role), ("content", &self.content)])
    }
}

/// A model's chat template, ready to render.
#[derive(Debug)]
pub struct ChatTemplate {
    path: PathBuf,
    environment: Environment<'static>,
    special: Vec<(&'static str, String)>,
}

/// The template's name in its environment; it has no extension, so that nothing is escaped as HTML.
const NAME: &str = "chat";

impl ChatTemplate {
    /// Reads the chat template of a model directory; `chat_template.jinja` comes before
    /// `tokenizer_config.json`.
    ///
    /// # Errors
    /// [`ChatError`] where there is none, or none that can be used.
    pub fn from_dir(dir: &Path) -> Result<Self, ChatError> {
        let config_path = dir.join("tokenizer_config.json");
        let config: TokenizerConfig = read_optional(&config_path)?.unwrap_or_default();
        let special = special_tokens(&config);
        let jinja_path = dir.join("chat_template.jinja");
        let (path, source) = match (read_if_there(&jinja_path)?, config.chat_template) {
            (Some(source), _) => (jinja_path, source),
            (None, Some(TemplateField::One(source))) => (config_path, source),
            (None, Some(TemplateField::Named(named))) => {
                let source = default_of(named, &config_path)?;
                (config_path, source)
            }
            (None, None) => return Err(ChatError::None { dir: dir.to_owned() }),
        };
        let mut environment = jinja::environment();
        match environment.add_template_owned(NAME, jinja::without_generation_tags(&source)) {
            Ok(()) => Ok(Self { path, environment, special }),
            Err(source) => Err(ChatError::Syntax { path, source }),
        }
    }

    /// The text of a conversation, as the model was trained to read it.
    ///
    /// `add_generation_prompt` appends what comes before an answer (`<|im_start|>assistant`, say).
    ///
    /// # Errors
    /// [`ChatError::Refused`] where the template says so (roles that do not alternate, say), and
    /// [`ChatError::Render`] where it fails.
    pub fn render(&self, messages: &[Message], add_generation_prompt: bool) -> Result<String, ChatError> {
        let fixed = [
            ("messages", messages.iter().map(Message::to_value).collect()),
            ("add_generation_prompt", Value::from(add_generation_prompt)),
            // Templates test these for truth without asking whether they are defined.
            ("tools", Value::from(())),
            ("documents", Value::from(())),
        ];
        let special = self.special.iter().map(|(name, text)| (*name, Value::from(text.as_str())));
        let context = Value::from_pairs(fixed.into_iter().chain(special));
        self.environment
            .get_template(NAME)
            .and_then(|template| template.render(context))
            .map_err(|error| self.render_error(error))
    }

    fn render_error(&self, source: minijinja::Error) -> ChatError {
        let path = self.path.clone();
        match source.source().and_then(|cause| cause.downcast_ref::<jinja::Raised>()) {
            Some(jinja::Raised(message)) => ChatError::Refused { path, message: message.clone() },
            None => ChatError::Render { path, source },
        }
    }
}

fn special_tokens(config: &TokenizerConfig) -> Vec<(&'static str, String)> {
    let tokens = [
        ("bos_token", &config.bos_token),
        ("eos_token", &config.eos_token),
        ("pad_token", &config.pad_token),
        ("unk_token", &config.unk_token),
    ];
    let given = tokens.into_iter().filter_map(|(name, token)| Some((name, token.as_ref()?)));
    given.map(|(name, token)| (name, token.as_str().to_owned())).collect()
}

fn default_of(named: Vec<NamedTemplate>, path: &Path) -> Result<String, ChatError> {
    let names = named.iter().map(|one| one.name.as_str()).collect::<Vec<_>>().join(", ");
    let default = named.into_iter().find(|one| one.name == "default");
    default.map(|one| one.template).ok_or_else(|| ChatError::NoDefault { path: path.to_owned(), names })
}
