//! Parquet, row by row, with the values that its schema says.

use std::fs::File;

use ::parquet::{
    data_type::Decimal,
    file::reader::{FileReader, SerializedFileReader},
    record::Field,
};
use jiff::{
    Span, Timestamp,
    civil::{Time, date},
};

use super::{Each, Unreadable, Value, places};

pub(super) fn read(file: File, columns: &[String], each: Each<'_>) -> Result<(), Unreadable> {
    let broken = |_| Unreadable::new("it is no Parquet file that can be read");
    let reader = SerializedFileReader::new(file).map_err(broken)?;
    let schema = reader.metadata().file_metadata().schema_descr();
    let fields = schema.root_schema().get_fields();
    let headers: Vec<String> = fields
        .iter()
        .map(|field| field.name().trim().to_owned())
        .collect();
    let places = places(&headers, columns)?;
    for found in reader.get_row_iter(None).map_err(broken)? {
        let found = found.map_err(broken)?;
        let cells: Vec<&Field> = found.get_column_iter().map(|(_, field)| field).collect();
        let one = |(place, name): (&usize, &String)| {
            let cell = cells.get(*place);
            cell.map_or(Ok(Value::Null), |field| value(field))
                .map_err(|what| Unreadable(format!("`{name}` {what}")))
        };
        let row: Result<Vec<Value>, Unreadable> = places.iter().zip(columns).map(one).collect();
        each(&row?)?;
    }
    Ok(())
}

fn value(field: &Field) -> Result<Value, &'static str> {
    Ok(match field {
        Field::Null => Value::Null,
        Field::Bool(yes) => Value::Text(yes.to_string()),
        Field::Byte(number) => Value::Whole(i64::from(*number)),
        Field::Short(number) => Value::Whole(i64::from(*number)),
        Field::Int(number) => Value::Whole(i64::from(*number)),
        Field::Long(number) => Value::Whole(*number),
        Field::UByte(number) => Value::Whole(i64::from(*number)),
        Field::UShort(number) => Value::Whole(i64::from(*number)),
        Field::UInt(number) => Value::Whole(i64::from(*number)),
        Field::ULong(number) => {
            i64::try_from(*number).map_or_else(|_| Value::Text(number.to_string()), Value::Whole)
        }
        Field::Float16(number) => Value::Real(f64::from(*number)),
        Field::Float(number) => Value::Real(f64::from(*number)),
        Field::Double(number) => Value::Real(*number),
        Field::Decimal(decimal) => Value::Text(digits(decimal).ok_or("has too many digits")?),
        Field::Str(text) => Value::Text(text.clone()),
        Field::Bytes(bytes) => match std::str::from_utf8(bytes.data()) {
            Ok(text) => Value::Text(text.to_owned()),
            Err(_) => return Err("holds bytes that are no text"),
        },
        Field::Date(days) => Value::Text(day(*days).ok_or("holds a date out of range")?),
        Field::TimeMillis(millis) => time(i64::from(*millis) * 1_000)?,
        Field::TimeMicros(micros) => time(*micros)?,
        Field::TimestampMillis(millis) => moment(Timestamp::from_millisecond(*millis))?,
        Field::TimestampMicros(micros) => moment(Timestamp::from_microsecond(*micros))?,
        Field::Group(_) | Field::ListInternal(_) | Field::MapInternal(_) => {
            return Err("holds several values in one; leave it out of `fields`");
        }
    })
}

fn day(days: i32) -> Option<String> {
    let day = date(1970, 1, 1)
        .checked_add(Span::new().try_days(days).ok()?)
        .ok()?;
    Some(day.to_string())
}

fn time(micros: i64) -> Result<Value, &'static str> {
    let past = Span::new().try_microseconds(micros);
    let time = past.and_then(|past| Time::midnight().checked_add(past));
    let time = time.map_err(|_| "holds a time out of range")?;
    Ok(Value::Text(time.to_string()))
}

fn moment(moment: Result<Timestamp, jiff::Error>) -> Result<Value, &'static str> {
    let moment = moment.map_err(|_| "holds a time out of range")?;
    Ok(Value::Text(moment.to_string()))
}

/// A decimal in digits; its bytes are a big-endian number in two's complement.
fn digits(decimal: &Decimal) -> Option<String> {
    let bytes = decimal.data();
    let first = *bytes.first()?;
    let mut wide = if first & 0x80 == 0 {
        [0; 16]
    } else {
        [0xff; 16]
    };
    let from = 16_usize.checked_sub(bytes.len())?;
    wide.get_mut(from..)?.copy_from_slice(bytes);
    let number = i128::from_be_bytes(wide);
    let scale = usize::try_from(decimal.scale()).ok()?;
    let sign = if number < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", number.unsigned_abs(), width = scale + 1);
    let (whole, part) = digits.split_at_checked(digits.len().checked_sub(scale)?)?;
    Some(match part {
        "" => format!("{sign}{whole}"),
        part => format!("{sign}{whole}.{part}"),
    })
}
