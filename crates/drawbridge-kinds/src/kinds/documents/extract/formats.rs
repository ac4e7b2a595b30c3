//! Each format read by its library, within limits.

mod front;
mod head;

use std::io::{Cursor, Read};

use calamine::{Data, Reader, open_workbook_auto_from_rs};
use quick_xml::events::Event;
use zip::ZipArchive;

use super::{Extracted, Section, Unreadable};

/// The most bytes a container may inflate to.
const INFLATED: u64 = 256 << 20;
/// The most entries of a container.
const ENTRIES: usize = 10_000;
/// The most cells of a sheet that are read.
const CELLS: usize = 2_000_000;
/// Rows under one repeated header.
const ROWS: usize = 40;

pub(super) fn markdown(bytes: &[u8]) -> Result<Extracted, Unreadable> {
    let text = decode(bytes);
    if let Some(error) = garbled(&text) {
        return Ok(Extracted {
            front_error: Some(error),
            ..Extracted::default()
        });
    }
    let (front, front_error, body) = front::split(&text);
    let mut extracted = sections(body);
    extracted.title = front
        .get("title")
        .and_then(|title| title.as_str().map(str::to_owned))
        .or(extracted.title);
    extracted.front = front;
    extracted.front_error = front_error;
    Ok(extracted)
}

pub(super) fn html(bytes: &[u8]) -> Result<Extracted, Unreadable> {
    let text = decode(bytes);
    let converter = htmd::HtmlToMarkdown::builder()
        .skip_tags(vec!["script", "style", "head", "noscript"])
        .build();
    let body = converter
        .convert(&text)
        .map_err(|error| Unreadable::new(format!("it is no HTML that can be read: {error}")))?;
    let mut extracted = sections(&body);
    let said = head::read(&text);
    extracted.title = said.title.or(extracted.title);
    extracted.front = said.front;
    extracted.labels = said.labels;
    extracted.front_error = garbled(&text).or(said.error);
    Ok(extracted)
}

pub(super) fn pdf(bytes: &[u8]) -> Result<Extracted, Unreadable> {
    let document = unpdf::parse_bytes(bytes)
        .map_err(|error| Unreadable::new(format!("the PDF cannot be read: {error}")))?;
    let mut extracted = Extracted {
        title: document
            .metadata
            .title
            .clone()
            .filter(|title| !title.trim().is_empty()),
        ..Extracted::default()
    };
    for (page, number) in document.pages.iter().zip(1..) {
        let text = page.plain_text();
        if !text.trim().is_empty() {
            extracted.sections.push(Section {
                page: Some(number),
                text,
                ..Section::default()
            });
        }
    }
    if extracted.sections.is_empty() {
        return Err(Unreadable::new(
            "the PDF has no text; if it is a scan, put it through text recognition",
        ));
    }
    Ok(extracted)
}

pub(super) fn office(bytes: &[u8]) -> Result<Extracted, Unreadable> {
    check_container(bytes)?;
    let wrong =
        |error: undoc::Error| Unreadable::new(format!("the document cannot be read: {error}"));
    let document = undoc::parse_bytes(bytes).map_err(wrong)?;
    let options = undoc::render::RenderOptions::default();
    let text = undoc::render::to_markdown(&document, &options).map_err(wrong)?;
    Ok(sections(&text))
}

pub(super) fn sheets(bytes: &[u8]) -> Result<Extracted, Unreadable> {
    if bytes.starts_with(b"PK") {
        check_container(bytes)?;
    }
    let wrong =
        |error: calamine::Error| Unreadable::new(format!("the sheets cannot be read: {error}"));
    let mut book = open_workbook_auto_from_rs(Cursor::new(bytes)).map_err(wrong)?;
    let mut extracted = Extracted::default();
    for name in book.sheet_names() {
        let range = book.worksheet_range(&name).map_err(wrong)?;
        if range.height().saturating_mul(range.width()) > CELLS {
            extracted.truncated = Some(format!(
                "the sheet `{name}` has more than {CELLS} cells and is left out"
            ));
            continue;
        }
        let rows: Vec<Vec<String>> = range
            .rows()
            .map(|row| row.iter().map(cell).collect::<Vec<_>>())
            .filter(|row: &Vec<String>| row.iter().any(|cell| !cell.is_empty()))
            .collect();
        extracted.sections.extend(table(&rows, &[name]));
    }
    Ok(extracted)
}

fn cell(data: &Data) -> String {
    data.to_string()
}

pub(super) fn csv(bytes: &[u8]) -> Result<Extracted, Unreadable> {
    let text = decode(bytes);
    let first = text.lines().next().unwrap_or_default();
    let delimiter = [b',', b';', b'\t', b'|']
        .into_iter()
        .max_by_key(|mark| first.bytes().filter(|byte| byte == mark).count())
        .unwrap_or(b',');
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes());
    let mut rows = Vec::new();
    for record in reader.records() {
        let record =
            record.map_err(|error| Unreadable::new(format!("the CSV cannot be read: {error}")))?;
        rows.push(record.iter().map(str::to_owned).collect());
    }
    Ok(Extracted {
        sections: table(&rows, &[]),
        ..Extracted::default()
    })
}

/// Rows in groups, each below the header row, so that every passage can be read by itself.
fn table(rows: &[Vec<String>], heading: &[String]) -> Vec<Section> {
    let Some((header, rows)) = rows.split_first() else {
        return Vec::new();
    };
    let groups: Vec<&[Vec<String>]> = if rows.is_empty() {
        vec![&[]]
    } else {
        rows.chunks(ROWS).collect()
    };
    groups
        .into_iter()
        .map(|group| {
            let lines = std::iter::once(header)
                .chain(group)
                .map(|row| row.join(" | "));
            Section {
                heading: heading.to_vec(),
                text: lines.collect::<Vec<_>>().join("\n"),
                ..Section::default()
            }
        })
        .collect()
}

pub(super) fn eml(bytes: &[u8]) -> Result<Extracted, Unreadable> {
    let message = mail_parser::MessageParser::default()
        .parse(bytes)
        .ok_or_else(|| Unreadable::new("it is no e-mail message"))?;
    let people = |address: Option<&mail_parser::Address<'_>>| {
        let all = address.into_iter().flat_map(|address| address.iter());
        all.map(|one| {
            format!(
                "{} <{}>",
                one.name().unwrap_or_default(),
                one.address().unwrap_or_default()
            )
        })
        .collect::<Vec<_>>()
        .join(", ")
    };
    let mut text = format!(
        "From: {}\nTo: {}\n",
        people(message.from()),
        people(message.to())
    );
    if let Some(date) = message.date() {
        text.push_str(&format!("Date: {}\n", date.to_rfc3339()));
    }
    text.push('\n');
    text.push_str(&message.body_text(0).unwrap_or_default());
    let mut unread = 0_usize;
    for attachment in message.attachments() {
        use mail_parser::MimeHeaders;
        let name = attachment.attachment_name().unwrap_or("without a name");
        text.push_str(&format!("\n[attachment, not read: {name}]"));
        unread += 1;
    }
    let attachments = if unread == 1 {
        "attachment"
    } else {
        "attachments"
    };
    Ok(Extracted {
        truncated: (unread > 0).then(|| format!("{unread} {attachments} not read")),
        title: message.subject().map(str::to_owned),
        sections: vec![Section {
            text,
            ..Section::default()
        }],
        ..Extracted::default()
    })
}

pub(super) fn odt(bytes: &[u8]) -> Result<Extracted, Unreadable> {
    check_container(bytes)?;
    let wrong = |error: &dyn std::fmt::Display| {
        Unreadable::new(format!("the document cannot be read: {error}"))
    };
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|error| wrong(&error))?;
    let mut content = String::new();
    let entry = archive
        .by_name("content.xml")
        .map_err(|error| wrong(&error))?;
    entry
        .take(INFLATED)
        .read_to_string(&mut content)
        .map_err(|error| wrong(&error))?;
    let mut reader = quick_xml::Reader::from_str(&content);
    let mut markdown = String::new();
    loop {
        match reader.read_event().map_err(|error| wrong(&error))? {
            Event::Eof => break,
            Event::Start(start) if start.name().as_ref() == "text:h" => markdown.push_str("\n\n# "),
            Event::End(end) if ["text:p", "text:h"].contains(&end.name().as_ref()) => {
                markdown.push_str("\n\n")
            }
            Event::Text(text) => {
                markdown.push_str(&String::from_utf8_lossy(text.as_ref().as_ref()))
            }
            Event::GeneralRef(reference) => markdown.push(match reference.as_ref() {
                "amp" => '&',
                "lt" => '<',
                "gt" => '>',
                "quot" => '"',
                "apos" => '\'',
                _ => ' ',
            }),
            _ => {}
        }
    }
    Ok(sections(&markdown))
}

/// Inflates a container into nothing, to see that it is no bomb before a parser does it in memory.
fn check_container(bytes: &[u8]) -> Result<(), Unreadable> {
    let wrong =
        |error: &dyn std::fmt::Display| Unreadable::new(format!("the file is broken: {error}"));
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|error| wrong(&error))?;
    if archive.len() > ENTRIES {
        return Err(Unreadable::new(format!("it has more than {ENTRIES} parts")));
    }
    let mut left = INFLATED;
    for index in 0..archive.len() {
        let entry = archive.by_index(index).map_err(|error| wrong(&error))?;
        let size = std::io::copy(&mut entry.take(left + 1), &mut std::io::sink())
            .map_err(|error| wrong(&error))?;
        left = left
            .checked_sub(size)
            .ok_or_else(|| Unreadable::new(format!("it inflates to more than {INFLATED} bytes")))?;
    }
    Ok(())
}

/// Text in whichever encoding it is, its lines ended as everywhere.
fn decode(bytes: &[u8]) -> String {
    let text = decoded(bytes);
    if text.contains('\r') {
        return text.replace("\r\n", "\n").replace('\r', "\n");
    }
    text
}

fn decoded(bytes: &[u8]) -> String {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return text.trim_start_matches('\u{feff}').to_owned();
    }
    let mut detector = chardetng::EncodingDetector::new(chardetng::Iso2022JpDetection::Deny);
    detector.feed(bytes, true);
    let encoding = detector.guess(None, chardetng::Utf8Detection::Allow);
    encoding.decode(bytes).0.into_owned()
}

/// Why what a text says of itself cannot be found: UTF-16 without a mark looks like text between
/// zeros.
fn garbled(text: &str) -> Option<String> {
    text.contains('\0')
        .then(|| "nobody can tell its encoding; save it as UTF-8".to_owned())
}

/// Markdown cut at its headings; a fence hides what looks like one.
fn sections(text: &str) -> Extracted {
    let mut extracted = Extracted::default();
    let (mut path, mut body, mut fenced) = (Vec::<(usize, String)>::new(), String::new(), false);
    let close = |path: &[(usize, String)], body: &mut String, sections: &mut Vec<Section>| {
        let text = std::mem::take(body);
        if !text.trim().is_empty() {
            let heading = path.iter().map(|(_, heading)| heading.clone()).collect();
            sections.push(Section {
                heading,
                text: text.trim().to_owned(),
                page: None,
            });
        }
    };
    for line in text.lines() {
        fenced ^= line.trim_start().starts_with("```");
        let level = line.bytes().take_while(|byte| *byte == b'#').count();
        let heading = line.get(level..).filter(|rest| rest.starts_with(' '));
        match heading {
            Some(heading) if !fenced && (1..=6).contains(&level) => {
                close(&path, &mut body, &mut extracted.sections);
                path.retain(|(above, _)| *above < level);
                let heading = heading.trim().to_owned();
                extracted.title.get_or_insert_with(|| heading.clone());
                path.push((level, heading));
            }
            _ => {
                body.push_str(line);
                body.push('\n');
            }
        }
    }
    close(&path, &mut body, &mut extracted.sections);
    extracted
}
