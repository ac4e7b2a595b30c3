//! What an HTML page says of itself: its title, its language, its `meta` tags.

use std::cell::{Cell, RefCell};

use html5ever::{
    tendril::StrTendril,
    tokenizer::{
        BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
        states::RawKind,
    },
};

use super::front::Front;

/// The names of `meta` tags that are read, beside the label.
const NAMES: [&str; 6] = [
    "department",
    "customer",
    "project",
    "status",
    "supersedes",
    "language",
];

/// What a page says of itself.
#[derive(Default)]
pub(super) struct Said {
    pub(super) title: Option<String>,
    pub(super) front: Front,
    /// Every label that is named.
    pub(super) labels: Vec<String>,
    /// A label is named that cannot be read: why.
    pub(super) error: Option<String>,
}

/// Reads every tag, wherever it is: a label outside the head was meant as one too.
pub(super) fn read(text: &str) -> Said {
    let input = BufferQueue::default();
    input.push_back(StrTendril::from_slice(text));
    // Closes a tag that the file leaves open, whose label would be lost otherwise.
    input.push_back(StrTendril::from_slice("\">'>"));
    let tokenizer = Tokenizer::new(Reader::default(), TokenizerOpts::default());
    let _ = tokenizer.feed(&input);
    tokenizer.end();
    tokenizer.sink.said.take()
}

#[derive(Default)]
struct Reader {
    said: RefCell<Said>,
    /// The text of a title that is open.
    title: RefCell<Option<String>>,
    /// Something was wrong since the last token.
    wrong: Cell<bool>,
}

impl TokenSink for Reader {
    type Handle = ();

    fn process_token(&self, token: Token, _: u64) -> TokenSinkResult<()> {
        if let Token::ParseError(_) = token {
            self.wrong.set(true);
            return TokenSinkResult::Continue;
        }
        let wrong = self.wrong.take();
        match token {
            Token::CharacterTokens(text) => {
                if let Some(title) = self.title.borrow_mut().as_mut() {
                    title.push_str(&text);
                }
                TokenSinkResult::Continue
            }
            Token::TagToken(tag) if tag.kind == TagKind::StartTag => self.start(&tag, wrong),
            Token::TagToken(tag) => {
                if &*tag.name == "title"
                    && let Some(title) = self.title.take()
                {
                    let title = Some(title.trim().to_owned());
                    let mut said = self.said.borrow_mut();
                    said.title = said
                        .title
                        .take()
                        .or(title.filter(|title| !title.is_empty()));
                }
                TokenSinkResult::Continue
            }
            _ => TokenSinkResult::Continue,
        }
    }
}

impl Reader {
    fn start(&self, tag: &Tag, wrong: bool) -> TokenSinkResult<()> {
        let mut said = self.said.borrow_mut();
        match &*tag.name {
            "html" => {
                if let Some(language) = attribute(tag, "lang") {
                    let entry = said.front.entry("language".to_owned());
                    entry.or_insert_with(|| language.into());
                }
            }
            "meta" => said.meta(tag, wrong),
            "title" => *self.title.borrow_mut() = Some(String::new()),
            _ => {}
        }
        // As a browser does: what is in these is text.
        let kind = match &*tag.name {
            _ if tag.self_closing => None,
            "title" | "textarea" => Some(RawKind::Rcdata),
            "style" | "xmp" | "iframe" | "noembed" | "noframes" => Some(RawKind::Rawtext),
            "script" => Some(RawKind::ScriptData),
            _ => None,
        };
        kind.map_or(TokenSinkResult::Continue, TokenSinkResult::RawData)
    }
}

impl Said {
    fn meta(&mut self, tag: &Tag, wrong: bool) {
        let name = attribute(tag, "name").unwrap_or_default().to_lowercase();
        let content = attribute(tag, "content");
        if name == "label" {
            match content {
                Some(content) if !wrong => self.labels.push(content),
                _ => {
                    let error = "its `meta` tag for the label is broken; write it as \
                                 `<meta name=\"label\" content=\"…\">`";
                    self.error = Some(error.to_owned());
                }
            }
        } else if NAMES.contains(&name.as_str())
            && let Some(content) = content
        {
            self.front.insert(name, content.into());
        }
    }
}

fn attribute(tag: &Tag, name: &str) -> Option<String> {
    let mut attributes = tag.attrs.iter();
    let found = attributes.find(|attribute| &*attribute.name.local == name)?;
    Some(found.value.trim().to_owned())
}
