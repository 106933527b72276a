//! The standard, read naively: a byte at a time, each step as the text has it. It shares no code
//! with the library, nor with the model of its tests, which takes a whole body at once.

use crate::Given;

/// HTML standard, 9.2.5 and 9.2.6, with the limit of `Parser::max_event_size`.
pub struct Model {
    decoder: Decoder,
    /// Nothing was decoded yet: a byte order mark would be one.
    at_start: bool,
    /// A CR has ended a line: an LF would belong to it.
    after_cr: bool,
    line: String,
    data: String,
    event_type: String,
    id_buffer: String,
    last_event_id: String,
    limit: usize,
    too_large: bool,
    given: Vec<Given>,
}

impl Model {
    pub fn new(last_event_id: &str, limit: usize) -> Self {
        Self {
            decoder: Decoder::default(),
            at_start: true,
            after_cr: false,
            line: String::new(),
            data: String::new(),
            event_type: String::new(),
            id_buffer: last_event_id.to_owned(),
            last_event_id: last_event_id.to_owned(),
            limit,
            too_large: false,
            given: Vec::new(),
        }
    }

    pub fn given(&self) -> &[Given] {
        &self.given
    }

    pub fn last_event_id(&self) -> &str {
        &self.last_event_id
    }

    /// A new connection: only the last event ID remains.
    pub fn reset(&mut self) {
        *self = Self::new(&self.last_event_id, self.limit);
    }

    /// `Parser::finish`: the unfinished event, its unfinished last line included, as if a blank line
    /// followed. Without one the ID is not committed either.
    pub fn finish(&mut self) -> Option<Given> {
        if self.decoder.needed > 0 && !self.too_large {
            self.char(char::REPLACEMENT_CHARACTER);
        }
        if self.too_large {
            return None;
        }
        if !self.line.is_empty() {
            self.line();
        }
        if self.data.is_empty() {
            return None;
        }
        self.dispatch();
        self.given.pop()
    }

    pub fn byte(&mut self, byte: u8) {
        for char in self.decoder.byte(byte).into_iter().flatten() {
            if !self.too_large {
                self.char(char);
            }
        }
    }

    fn char(&mut self, char: char) {
        if std::mem::take(&mut self.at_start) && char == '\u{feff}' {
            return;
        }
        let after_cr = std::mem::take(&mut self.after_cr);
        match char {
            '\n' if after_cr => {}
            '\n' => self.line(),
            '\r' => {
                self.after_cr = true;
                self.line();
            }
            _ => self.continue_line(char),
        }
    }

    fn continue_line(&mut self, char: char) {
        self.line.push(char);
        let held = [&self.data, &self.event_type, &self.id_buffer, &self.line];
        if held.map(String::len).iter().sum::<usize>() > self.limit {
            self.too_large = true;
            self.given.push(Given::TooLarge);
        }
    }

    fn line(&mut self) {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            return self.dispatch();
        }
        let (name, value) = match line.find(':') {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (&line[..], ""),
        };
        let value = match value.as_bytes() {
            [b' ', ..] => &value[1..],
            _ => value,
        };
        match name {
            "" => self.given.push(Given::Comment(value.to_owned())),
            "event" => self.event_type = value.to_owned(),
            "data" => {
                self.data.push_str(value);
                self.data.push('\n');
            }
            "id" if !value.contains('\0') => self.id_buffer = value.to_owned(),
            "id" => {}
            "retry" => self.given.extend(retry(value).map(Given::Retry)),
            _ => self.given.push(Given::Ignored(line)),
        }
    }

    fn dispatch(&mut self) {
        let new_id = self.last_event_id != self.id_buffer;
        self.last_event_id.clone_from(&self.id_buffer);
        let mut data = std::mem::take(&mut self.data);
        let event_type = std::mem::take(&mut self.event_type);
        if data.is_empty() {
            if new_id {
                self.given
                    .push(Given::LastEventId(self.last_event_id.clone()));
            }
            return;
        }
        assert_eq!(data.pop(), Some('\n'));
        self.given.push(Given::Event {
            event_type: match &event_type[..] {
                "" => "message".to_owned(),
                _ => event_type,
            },
            data,
            id: self.last_event_id.clone(),
        });
    }
}

/// Digits, as a number; beyond `u64` it is the largest there is.
fn retry(value: &str) -> Option<u64> {
    let digits = !value.is_empty() && value.chars().all(|char| char.is_ascii_digit());
    digits.then(|| value.parse().unwrap_or(u64::MAX))
}

/// Encoding standard, "UTF-8 decoder", whose error mode is "replacement".
struct Decoder {
    code_point: u32,
    seen: u32,
    needed: u32,
    lower: u8,
    upper: u8,
}

impl Default for Decoder {
    fn default() -> Self {
        Self {
            code_point: 0,
            seen: 0,
            needed: 0,
            lower: 0x80,
            upper: 0xBF,
        }
    }
}

impl Decoder {
    /// At most two: a cut character is replaced, and "restore byte to ioQueue".
    fn byte(&mut self, byte: u8) -> [Option<char>; 2] {
        if self.needed > 0 && !(self.lower..=self.upper).contains(&byte) {
            *self = Self::default();
            return [Some(char::REPLACEMENT_CHARACTER), self.first(byte)];
        }
        if self.needed == 0 {
            return [None, self.first(byte)];
        }
        (self.lower, self.upper) = (0x80, 0xBF);
        self.code_point = (self.code_point << 6) | u32::from(byte & 0x3F);
        self.seen += 1;
        if self.seen < self.needed {
            return [None, None];
        }
        let whole = char::from_u32(self.code_point).expect("the bounds leave no surrogates");
        *self = Self::default();
        [None, Some(whole)]
    }

    fn first(&mut self, byte: u8) -> Option<char> {
        match byte {
            0x00..=0x7F => return Some(char::from(byte)),
            0xC2..=0xDF => self.begin(1, byte & 0x1F),
            0xE0..=0xEF => {
                match byte {
                    0xE0 => self.lower = 0xA0,
                    0xED => self.upper = 0x9F,
                    _ => {}
                }
                self.begin(2, byte & 0xF);
            }
            0xF0..=0xF4 => {
                match byte {
                    0xF0 => self.lower = 0x90,
                    0xF4 => self.upper = 0x8F,
                    _ => {}
                }
                self.begin(3, byte & 0x7);
            }
            _ => return Some(char::REPLACEMENT_CHARACTER),
        }
        None
    }

    fn begin(&mut self, needed: u32, bits: u8) {
        self.needed = needed;
        self.code_point = bits.into();
    }
}
