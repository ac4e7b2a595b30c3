//! XLSX: the first sheet, whose first row names the columns. Of a formula the value counts that the
//! file holds.

use std::{fs::File, io::BufReader};

use calamine::{Data, ExcelDateTime, Reader, Xlsx};

use super::{Each, Unreadable, Value, places};

/// Up to here a float holds every whole number: 2^53.
const WHOLE: f64 = 9_007_199_254_740_992.0;

pub(super) fn read(file: File, columns: &[String], each: Each<'_>) -> Result<(), Unreadable> {
    let broken = |_| Unreadable::new("it is no workbook that can be read");
    let mut book: Xlsx<_> = Xlsx::new(BufReader::new(file)).map_err(broken)?;
    let sheet = book
        .worksheet_range_at(0)
        .ok_or_else(|| Unreadable::new("it has no sheet"))?
        .map_err(broken)?;
    let mut rows = sheet.rows();
    let headers = rows.next().ok_or_else(|| Unreadable::new("it is empty"))?;
    let header = |cell: &Data| match value(cell) {
        Value::Null => String::new(),
        Value::Whole(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::Plain(text) | Value::Text(text) => text.trim().to_owned(),
    };
    let headers: Vec<String> = headers.iter().map(header).collect();
    let places = places(&headers, columns)?;
    for cells in rows {
        // Rows that were only ever formatted are none.
        if cells.iter().all(|cell| value(cell) == Value::Null) {
            continue;
        }
        let row: Vec<Value> = places
            .iter()
            .map(|place| cells.get(*place).map_or(Value::Null, value))
            .collect();
        each(&row)?;
    }
    Ok(())
}

fn value(cell: &Data) -> Value {
    match cell {
        Data::Empty | Data::Error(_) => Value::Null,
        Data::Int(number) => Value::Whole(*number),
        Data::Float(number) if number.fract() == 0.0 && number.abs() < WHOLE => {
            let text = format!("{number:.0}");
            text.parse().map_or(Value::Real(*number), Value::Whole)
        }
        Data::Float(number) => Value::Real(*number),
        Data::Bool(yes) => Value::Text(yes.to_string()),
        Data::String(text) | Data::DateTimeIso(text) | Data::DurationIso(text) => {
            if text.is_empty() {
                Value::Null
            } else {
                Value::Text(text.clone())
            }
        }
        Data::DateTime(time) => moment(time),
    }
}

/// A date, with its time where it has one; a duration stays the number of days that it is.
fn moment(time: &ExcelDateTime) -> Value {
    if time.is_duration() {
        return Value::Real(time.as_f64());
    }
    let (year, month, day, hour, minute, second, milli) = time.to_ymd_hms_milli();
    let date = format!("{year:04}-{month:02}-{day:02}");
    Value::Text(match (hour, minute, second, milli) {
        (0, 0, 0, 0) => date,
        (_, _, _, 0) => format!("{date}T{hour:02}:{minute:02}:{second:02}"),
        _ => format!("{date}T{hour:02}:{minute:02}:{second:02}.{milli:03}"),
    })
}
