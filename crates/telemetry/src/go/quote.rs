// SPDX-License-Identifier: Apache-2.0
//! `%q` of Go's `fmt` and the strings of `encoding/json`.
//!
//! Both work on bytes, because header values need not be UTF-8.

/// Appends `value` in double quotes, escaped as `strconv.Quote` does: `\a \b \f \n \r \t \v`,
/// `\xNN` for other ASCII control characters and for bytes that are not UTF-8, `\uNNNN` or
/// `\UNNNNNNNN` for characters that are not printable, everything else as it is.
pub(crate) fn push_quoted(out: &mut Vec<u8>, value: &[u8]) {
    out.push(b'"');
    for chunk in value.utf8_chunks() {
        let text = chunk.valid();
        let mut plain = 0;
        for (at, c) in text.char_indices() {
            if is_plain(c) {
                continue;
            }
            out.extend_from_slice(&text.as_bytes()[plain..at]);
            plain = at + c.len_utf8();
            push_escape(out, c);
        }
        out.extend_from_slice(&text.as_bytes()[plain..]);
        for &byte in chunk.invalid() {
            out.extend_from_slice(b"\\x");
            push_hex(out, u32::from(byte), 2);
        }
    }
    out.push(b'"');
}

fn is_plain(c: char) -> bool {
    match c {
        '"' | '\\' => false,
        ' '..='~' => true,
        c if c.is_ascii() => false,
        c => is_printable(c),
    }
}

/// Go prints letters, marks, numbers, punctuation and symbols. The same classes decide in
/// `str::escape_debug`, which (behind a first character) escapes nothing else above ASCII.
fn is_printable(c: char) -> bool {
    let mut bytes = [0; 5];
    bytes[0] = b'a';
    let len = 1 + c.encode_utf8(&mut bytes[1..]).len();
    std::str::from_utf8(&bytes[..len])
        .is_ok_and(|text| text.escape_debug().nth(1).is_some_and(|first| first == c))
}

fn push_escape(out: &mut Vec<u8>, c: char) {
    let short: &[u8] = match c {
        '"' => b"\\\"",
        '\\' => b"\\\\",
        '\u{7}' => b"\\a",
        '\u{8}' => b"\\b",
        '\u{c}' => b"\\f",
        '\n' => b"\\n",
        '\r' => b"\\r",
        '\t' => b"\\t",
        '\u{b}' => b"\\v",
        c if c < ' ' || c == '\u{7f}' => {
            out.extend_from_slice(b"\\x");
            return push_hex(out, u32::from(c), 2);
        }
        c if u32::from(c) < 0x1_0000 => {
            out.extend_from_slice(b"\\u");
            return push_hex(out, u32::from(c), 4);
        }
        c => {
            out.extend_from_slice(b"\\U");
            return push_hex(out, u32::from(c), 8);
        }
    };
    out.extend_from_slice(short);
}

/// Appends a JSON string as `encoding/json` of Go 1.19 writes it with HTML escaping on, which is
/// what the log library uses: `<`, `>`, `&`, U+2028 and U+2029 become `\uNNNN`, as do control
/// characters other than `\n`, `\r` and `\t`; bytes that are not UTF-8 become `\ufffd`.
pub(crate) fn push_json_string(out: &mut Vec<u8>, value: &[u8]) {
    out.push(b'"');
    for chunk in value.utf8_chunks() {
        let bytes = chunk.valid().as_bytes();
        let mut plain = 0;
        for (at, &byte) in bytes.iter().enumerate() {
            let separator =
                byte == 0xe2 && matches!(bytes.get(at + 1..at + 3), Some([0x80, 0xa8 | 0xa9]));
            if !separator && !matches!(byte, 0..0x20 | b'"' | b'\\' | b'<' | b'>' | b'&') {
                continue;
            }
            out.extend_from_slice(&bytes[plain..at]);
            plain = at + if separator { 3 } else { 1 };
            match byte {
                b'"' => out.extend_from_slice(b"\\\""),
                b'\\' => out.extend_from_slice(b"\\\\"),
                b'\n' => out.extend_from_slice(b"\\n"),
                b'\r' => out.extend_from_slice(b"\\r"),
                b'\t' => out.extend_from_slice(b"\\t"),
                _ if separator => {
                    out.extend_from_slice(b"\\u202");
                    push_hex(out, u32::from(bytes[at + 2] & 0xf), 1);
                }
                _ => {
                    out.extend_from_slice(b"\\u");
                    push_hex(out, u32::from(byte), 4);
                }
            }
        }
        out.extend_from_slice(&bytes[plain..]);
        for _ in chunk.invalid() {
            out.extend_from_slice(b"\\ufffd");
        }
    }
    out.push(b'"');
}

fn push_hex(out: &mut Vec<u8>, value: u32, digits: u32) {
    for place in (0..digits).rev() {
        let digit = (value >> (place * 4)) & 0xf;
        out.push(b"0123456789abcdef"[digit as usize]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted(value: &[u8]) -> String {
        let mut out = Vec::new();
        push_quoted(&mut out, value);
        String::from_utf8(out).expect("quoting yields UTF-8")
    }

    fn json(value: &[u8]) -> String {
        let mut out = Vec::new();
        push_json_string(&mut out, value);
        String::from_utf8(out).expect("escaping yields UTF-8")
    }

    #[test]
    fn go_quotes() {
        let table: &[(&[u8], &str)] = &[
            (b"", r#""""#),
            (b"plain text", r#""plain text""#),
            (b"a\"b\\c", r#""a\"b\\c""#),
            (b"\x07\x08\x0c\n\r\t\x0b", r#""\a\b\f\n\r\t\v""#),
            (b"\x00\x01\x1b\x7f", r#""\x00\x01\x1b\x7f""#),
            (b"<a>&", r#""<a>&""#),
            ("71.874µs".as_bytes(), "\"71.874µs\""),
            ("日本 é ☺ 😀".as_bytes(), r#""日本 é ☺ 😀""#),
            ("e\u{301}".as_bytes(), "\"e\u{301}\""),
            ("\u{a0}\u{ad}\u{200b}\u{feff}".as_bytes(), r#""\u00a0\u00ad\u200b\ufeff""#),
            ("\u{2028}\u{e000}".as_bytes(), r#""\u2028\ue000""#),
            ("\u{fffd}".as_bytes(), "\"\u{fffd}\""),
            ("\u{10ffff}".as_bytes(), r#""\U0010ffff""#),
            (b"a\xffb\xc3", r#""a\xffb\xc3""#),
        ];
        for (value, want) in table {
            assert_eq!(quoted(value), *want, "{value:?}");
        }
    }

    #[test]
    fn json_strings() {
        let table: &[(&[u8], &str)] = &[
            (b"", r#""""#),
            (b"a\"b\\c/d", r#""a\"b\\c/d""#),
            (b"\x08\x0c\n\r\t\x00\x1f\x7f", "\"\\u0008\\u000c\\n\\r\\t\\u0000\\u001f\x7f\""),
            (b"<a>&b", r#""\u003ca\u003e\u0026b""#),
            ("µ\u{2027}\u{2028}\u{2029}".as_bytes(), "\"µ\u{2027}\\u2028\\u2029\""),
            (b"a\xffb\xe2\x80", r#""a\ufffdb\ufffd\ufffd""#),
        ];
        for (value, want) in table {
            assert_eq!(json(value), *want, "{value:?}");
        }
    }
}
