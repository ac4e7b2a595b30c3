//! One look at one file.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::super::{
    Folder,
    document::{Document, Why},
    extract::{Unreadable, format_of},
    library::{Found, Look},
    passage::{self, Cut, cut},
    source::{Absent, Content},
};

/// Reads a file and cuts it.
pub(super) async fn at(folder: &Arc<Folder>, path: String) -> Look {
    let ticket = folder.library.ticket();
    let (reader, name) = (folder.clone(), path.clone());
    let read = folder.turns.block(move || reader.source.read(&name));
    let found = match read.await {
        Ok(Ok(content)) => understand(folder, &path, content).await,
        Ok(Err(Absent::Gone)) => Found::Gone,
        Ok(Err(Absent::Unreachable(_))) => Found::Nothing,
        Ok(Err(Absent::Refused(reason))) => Found::Hidden(None, Why::file(reason)),
        Err(broke) => Found::Hidden(None, Why::file(format!("it could not be read: {broke}"))),
    };
    Look {
        path,
        ticket,
        found,
    }
}

/// Looks whether a file that was not listed is gone, or came back meanwhile.
pub(super) async fn whether_gone(folder: &Arc<Folder>, path: String) -> Look {
    let ticket = folder.library.ticket();
    let in_scope = folder.own.contains(&path);
    let (reader, name) = (folder.clone(), path.clone());
    let stamp = folder.turns.block(move || reader.source.stamp(&name));
    match stamp.await {
        Ok(Ok(_)) if in_scope => at(folder, path).await,
        Ok(Err(Absent::Unreachable(_))) | Err(_) => Look {
            path,
            ticket,
            found: Found::Nothing,
        },
        Ok(Ok(_) | Err(Absent::Gone | Absent::Refused(_))) => Look {
            path,
            ticket,
            found: Found::Gone,
        },
    }
}

async fn understand(folder: &Arc<Folder>, path: &str, content: Content) -> Found {
    let stamp = content.stamp.clone();
    match document(folder, path, content).await {
        Ok((document, cuts)) => Found::Offered(stamp, document, cuts),
        Err(why) => Found::Hidden(Some(stamp), why),
    }
}

/// A document with its passages; the reason why nobody may see it, where nobody can tell who may.
pub(in super::super) async fn document(
    folder: &Arc<Folder>,
    path: &str,
    content: Content,
) -> Result<(Document, Vec<Cut>), Why> {
    let format = format_of(path).ok_or_else(Why::format)?;
    let version: String = hex::encode(Sha256::digest(&content.bytes))
        .chars()
        .take(16)
        .collect();
    let extracted = folder.extractor.extract(path, content.bytes.into()).await;
    let (extracted, unreadable) = match extracted {
        Ok(extracted) => (extracted, None),
        Err(Unreadable { reason }) if format.names_labels() => {
            let reason = format!("nobody can read which label it names: {reason}");
            return Err(Why::label(reason));
        }
        Err(Unreadable { reason }) => (Default::default(), Some(reason)),
    };
    if let Some(error) = &extracted.front_error {
        let reason = format!("its front matter cannot be read: {error}");
        return Err(Why::front(reason));
    }
    let front = &extracted.front;
    let mut facets = folder
        .own
        .facets(path, &extracted, &folder.context.labels)?;
    facets.insert("format".to_owned(), format.name.to_owned());
    let language = folder.own.language(path, front);
    let supersedes = front.get("supersedes").and_then(|older| older.as_str());
    let supersedes = supersedes.map(str::to_owned);
    let title = extracted.title.as_deref().map(passage::name);
    let title = title
        .filter(|title| !title.is_empty())
        .unwrap_or_else(|| path.to_owned());
    let truncated = extracted.truncated.clone();
    let name = title.clone();
    let cutting = folder.turns.block(move || cut(&name, &extracted, language));
    let (cuts, left_out) = cutting
        .await
        .map_err(|broke| Why::file(format!("it could not be cut into passages: {broke}")))?;
    let document = Document {
        title,
        facets,
        modified: content.modified,
        synced: folder.context.clock.now(),
        version,
        language,
        supersedes,
        reason: unreadable.or(truncated).or(left_out),
        passages: u32::try_from(cuts.len()).unwrap_or(u32::MAX),
        terms: cuts.iter().map(|cut| u64::from(cut.length)).sum(),
    };
    Ok((document, cuts))
}
